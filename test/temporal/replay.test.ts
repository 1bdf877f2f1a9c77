import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { bundleWorkflows } from '../../src/executors/temporal/bundle.ts';
import { TAKEN_QUEUES } from '../../src/executors/temporal/shared/taken.ts';

/** Histories of released workflows, replayed with the code of today: what would break a run at work fails here. */

const folder = fileURLToPath(new URL('histories', import.meta.url));
// A missing folder fails the whole file: without histories nothing would be tested.
const files = (await readdir(folder)).filter((name) => name.endsWith('.json'));
let workflowBundle = { code: '' };

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  workflowBundle = await bundleWorkflows();
});

describe('histories', () => {
  test('of each type of workflow there is one', () => {
    for (const type of ['refillTenant', 'refillFleet', ...Object.keys(TAKEN_QUEUES)])
      expect([type, files.some((name) => name.includes(`-${type}-`))]).toEqual([type, true]);
  });

  test.each(files)('%s is replayed', async (name) => {
    const history: unknown = JSON.parse(await readFile(`${folder}/${name}`, 'utf8'));
    await Worker.runReplayHistory({ workflowBundle }, history);
  });

  test('one that does not fit the code is noticed', async () => {
    const [name = ''] = files.filter((one) => one.includes('refillTenant'));
    const text = await readFile(`${folder}/${name}`, 'utf8');
    const other: unknown = JSON.parse(text.replaceAll('"refillBegin"', '"refillBegun"'));
    await expect(Worker.runReplayHistory({ workflowBundle }, other)).rejects.toThrow(/nondeterminism/iu);
  });
});
