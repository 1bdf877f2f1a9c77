import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { refill } from '../cli/built.ts';
import { start } from '../faults/program.ts';
import { noTemporal, operator } from './given.ts';

/** A directory of `refill up`, whose servers end with the test at the latest. */
async function place(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'refill-up-'));
  onTestFinished(async () => {
    await refill(['down', '--dir', dir]);
    await rm(dir, { recursive: true, force: true });
  });
  return dir;
}

describe.skipIf(noTemporal())('refill up --temporal', () => {
  test('what it prints is all that a first run over Temporal needs; down ends it, and up has it again', async () => {
    const dir = await place();
    const up = await refill(['up', '--dir', dir, '--temporal', '--sample', 'small']);
    expect({ status: up.status, stderr: up.stderr }).toMatchObject({ status: 0 });
    const [, config = ''] = /config\s+(\S+)/u.exec(up.stdout) ?? [];
    const [, address = ''] = /Temporal is at (\S+),/u.exec(up.stdout) ?? [];
    const doctor = await refill(['doctor', '--config', config]);
    expect({ status: doctor.status, said: doctor.stdout }).toMatchObject({ status: 0 });
    expect(doctor.stdout).toContain(`${address}\n  ✓ temporal: reachable, server`);

    const worker = await start(['worker', '--config', config, '--json']);
    const [, tenant = '', from = '', to = ''] = /verify (\S+) --from (\S+) --to (\S+)/u.exec(up.stdout) ?? [];
    const range = ['--from', from, '--to', to];
    const over = ['--executor', 'temporal', '--execute', '--json', '--config', config];
    const run = await refill(['run', tenant, ...range, ...over]);
    expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' });
    expect(run.stdout.trimEnd().split('\n').at(-1)).toContain('"state":"succeeded"');
    worker.child.kill('SIGTERM');
    await worker.end;

    const down = await refill(['down', '--dir', dir, '--json']);
    expect(JSON.parse(down.stdout)).toEqual({ stopped: ['postgres', 'clickhouse', 'temporal'] });
    // Without it, nothing is said of it any more.
    await refill(['up', '--dir', dir, '--json']);
    expect(await readFile(config, 'utf8')).not.toContain('temporal');
    const again: { temporal: { address: string; namespace: string } } = JSON.parse(
      (await refill(['up', '--dir', dir, '--temporal', '--json'])).stdout,
    );
    expect(again.temporal.address).toBe(address);
    expect(await operator(again.temporal, 'workflow', 'list')).toContain('refillTenant');
  });

  test('without a temporal program: refused, and nothing was started', async () => {
    const dir = await place();
    const env = { PATH: '/nowhere', REFILL_CACHE: '/nowhere' };
    const up = await refill(['up', '--dir', dir, '--temporal', '--json'], { env });
    expect(up.status).toBe(2);
    expect(up.stderr).toContain('TEMPORAL_MISSING');
    expect(up.stderr).toContain('go install');
    expect(JSON.parse((await refill(['down', '--dir', dir, '--json'])).stdout)).toEqual({ stopped: [] });
  });
});
