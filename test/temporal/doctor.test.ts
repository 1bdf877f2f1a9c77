import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Finding } from '../../src/domain/events.ts';
import { TemporalClient } from '../../src/executors/temporal/client.ts';
import { workflowId } from '../../src/executors/temporal/shared/names.ts';
import { freePort } from '../ledger/postgres.ts';
import { noTemporal, operator, ownTemporal, temporalTenant, type TemporalTenant } from './given.ts';
import { newerProgram } from './newer-program.ts';

interface Doctor {
  readonly status: number | null;
  readonly ok: boolean;
  /** What it says of Temporal. */
  readonly temporal: readonly Finding[];
  readonly others: readonly Finding[];
}

const OF_TEMPORAL = ['temporal', 'search attributes', 'workers'];

async function doctor(t: TemporalTenant, ...args: readonly string[]): Promise<Doctor> {
  const { status, stdout, stderr } = await (await t.refillCli('doctor', '--json', ...args)).end;
  if (stdout === '') throw new Error(stderr);
  const { ok, findings }: { ok: boolean; findings: readonly Finding[] } = JSON.parse(stdout);
  const of = (own: boolean) => findings.filter((f) => OF_TEMPORAL.includes(f.check) === own);
  return { status, ok, temporal: of(true), others: of(false) };
}

const levels = (findings: readonly Finding[]) => findings.map((f) => [f.check, f.subject, f.level]);

describe.skipIf(noTemporal())('doctor, of Temporal', () => {
  test('a look at the search attributes that failed, or missed some, is no answer for the life of a client', async () => {
    const { address } = await ownTemporal();
    const settings = { address, namespace: 'ingestion', taskQueue: 't', tls: false, codecs: [] } as const;
    const client = await TemporalClient.open(settings);
    onTestFinished(() => client.close());
    let begun = 0;
    /** Whether a workflow that is started now has attributes. */
    const attributed = async (): Promise<boolean> => {
      const id = `f-${(begun += 1)}`;
      await client.startFleet({ id, dataset: 'scorecards' }, 'run');
      const described = await client.describe(workflowId(id));
      return described?.typedSearchAttributes.getAll().some(({ key }) => key.name === 'RefillRun') ?? false;
    };
    expect(await attributed()).toBe(false);
    // Somebody else registers them.
    const other = await TemporalClient.open(settings);
    await other.registerAttributes();
    await other.close();
    const look = vi.spyOn(client.sdk.connection.operatorService, 'listSearchAttributes');
    look.mockRejectedValueOnce(new Error('14 UNAVAILABLE'));
    expect(await attributed()).toBe(false);
    expect(await attributed()).toBe(true);
    expect(look).toHaveBeenCalledTimes(2);
    // That they are there is kept.
    expect(await attributed()).toBe(true);
    expect(look).toHaveBeenCalledTimes(2);
  });

  test('a server that is new: what is missing is named, --fix registers it, and a worker is seen', async () => {
    const server = await ownTemporal();
    const t = await temporalTenant({ temporal: { address: server.address } });
    const before = await doctor(t);
    expect(before).toMatchObject({ status: 0, ok: true });
    expect(levels(before.temporal)).toEqual([
      ['temporal', server.address, 'ok'],
      ['search attributes', server.address, 'warning'],
      ['workers', t.taskQueue, 'warning'],
      ['workers', `${t.taskQueue}-test`, 'warning'],
    ]);
    expect(before.temporal[0]?.message).toMatch(/^reachable, server \d+\.\d+\.\d+\S*, namespace ingestion$/u);
    expect(before.temporal[1]).toMatchObject({
      message: 'missing: RefillRun, RefillCluster, RefillTenant, RefillDataset, RefillState',
      remedy: expect.stringContaining('refill doctor --fix'),
    });
    expect(before.temporal[2]).toMatchObject({
      message: `none takes work from task queue ${t.taskQueue}`,
      remedy: expect.stringContaining('refill worker'),
    });

    const fixed = await doctor(t, '--fix');
    expect(fixed.temporal[1]).toMatchObject({
      level: 'ok',
      message: 'registered: RefillRun, RefillCluster, RefillTenant, RefillDataset, RefillState',
    });
    const listed = await operator(server, 'operator', 'search-attribute', 'list');
    for (const name of ['RefillRun', 'RefillState']) expect(listed).toMatch(new RegExp(`${name}\\s+Keyword`, 'u'));
    expect((await doctor(t, '--fix')).temporal[1]).toMatchObject({
      level: 'ok',
      message: expect.stringMatching(/^RefillRun/u),
    });

    const worker = await t.worker();
    const after = await doctor(t);
    expect(after.temporal.map((f) => f.level)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(after.temporal[3]?.message).toContain(`1 at work: ${worker.child.pid}@`);
  });

  test('a server that has one of our names for an attribute of another type: it is named, and workflows do without', async () => {
    const server = await ownTemporal();
    await operator(server, 'operator', 'search-attribute', 'create', '--name', 'RefillState', '--type', 'Int');
    const t = await temporalTenant({ temporal: { address: server.address } });
    await t.worker();
    expect((await doctor(t)).temporal[1]).toMatchObject({
      level: 'warning',
      message: expect.stringMatching(/^missing: .*RefillState/u),
    });
    const input = JSON.stringify({ v: 1, customer: 'nobody', profile: 'x', hours: 2 });
    const verify = ['--type', 'refillVerify', '--task-queue', `${t.taskQueue}-test`, '--workflow-id', 'verify'];
    await operator(server, 'workflow', 'start', ...verify, '--input', input);
    const described = () => operator(server, 'workflow', 'describe', '--workflow-id', 'verify');
    await expect.poll(described, { timeout: 60_000 }).toMatch(/FAILED[^]*nobody\/x/u);
  });

  test('a server that is away: an error, exit 3, and everything else is checked all the same', async () => {
    const t = await temporalTenant({ temporal: { address: `127.0.0.1:${await freePort()}` } });
    const found = await doctor(t);
    expect(found).toMatchObject({ status: 3, ok: false });
    expect(found.temporal).toMatchObject([
      { check: 'temporal', level: 'error', message: expect.stringContaining('TEMPORAL_UNREACHABLE') },
    ]);
    expect(found.others.length).toBeGreaterThan(2);
    expect(found.others.every((f) => f.level !== 'error')).toBe(true);
  });

  test('a namespace that is not there: an error that names it', async () => {
    const t = await temporalTenant({ temporal: { namespace: 'nowhere' } });
    const found = await doctor(t);
    expect(found).toMatchObject({ status: 3, ok: false });
    expect(found.temporal).toMatchObject([
      { check: 'temporal', level: 'error', message: expect.stringContaining('nowhere') },
    ]);
    expect(found.temporal[0]?.remedy).toContain('temporal operator namespace create');
  });

  test('workers of another version are named', async () => {
    const t = await temporalTenant();
    await t.worker();
    const newer = await t.worker({}, await newerProgram());
    const workers = (await doctor(t)).temporal.filter((f) => f.check === 'workers');
    for (const finding of workers) {
      expect(finding.level).toBe('warning');
      expect(finding.message).toMatch(new RegExp(`^2 at work: .*${newer.child.pid}@\\S+ refill 99\\.0\\.0`, 'u'));
    }
  });

  test('a codec that cannot be loaded: an error that names the module', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'refill-codec-'));
    onTestFinished(() => rm(dir, { recursive: true }));
    const codec = join(dir, 'codec.mjs');
    await writeFile(codec, 'export default 5');
    const { status, temporal } = await doctor(await temporalTenant({ temporal: { codec } }));
    expect(status).toBe(3);
    expect(temporal).toMatchObject([
      { level: 'error', message: expect.stringContaining('expected a list of { encode') },
    ]);
    expect(temporal[0]?.message).toContain(codec);
  });
});
