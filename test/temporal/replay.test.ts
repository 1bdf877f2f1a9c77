import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { bundleWorkflows } from '../../src/executors/temporal/bundle.ts';
import * as workflows from '../../src/executors/temporal/workflows/index.ts';

/** Histories of released workflows, replayed with the code of today: what would break a run at work fails here. */

const folder = fileURLToPath(new URL('histories', import.meta.url));
// A missing folder fails the whole file: without histories nothing would be tested.
const files = (await readdir(folder)).filter((name) => name.endsWith('.json'));
let workflowBundle = { code: '' };

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  workflowBundle = await bundleWorkflows();
});

/** What is read here of a history. */
interface History {
  readonly events: readonly {
    readonly workflowExecutionStartedEventAttributes?: { readonly workflowType: { readonly name: string } };
    readonly activityTaskScheduledEventAttributes?: { readonly activityType: { readonly name: string } };
    readonly markerRecordedEventAttributes?: {
      readonly markerName: string;
      readonly details: Readonly<Record<string, { readonly payloads: readonly { readonly data: string }[] }>>;
    };
  }[];
}

/** A history's type of workflow, its activities, and the patches that it was executed with. */
function read(text: string) {
  const { events }: History = JSON.parse(text);
  const patches = events.flatMap(({ markerRecordedEventAttributes: marker }) => {
    const data = marker?.markerName === 'core_patch' ? marker.details['patch-data']?.payloads[0]?.data : undefined;
    const patch: { id?: string } = data === undefined ? {} : JSON.parse(Buffer.from(data, 'base64').toString('utf8'));
    return patch.id === undefined ? [] : [patch.id];
  });
  return {
    type: events[0]?.workflowExecutionStartedEventAttributes?.workflowType.name ?? '',
    activities: events.flatMap((e) => e.activityTaskScheduledEventAttributes?.activityType.name ?? []),
    patches,
  };
}

/** The workflows that were taken over. */
const TAKEN = /^(?:Reindex|Backfill)/u;

/** A place or a plan, of a taken workflow, that says that the server knows the search attributes; null for anything else. */
function withAttributes(text: string): string | null {
  if (!/^\[?\{"(?:cluster|kind)":/u.test(text)) return null;
  return text.replaceAll('}', ',"attributes":true}');
}

const histories = await Promise.all(files.map(async (name) => read(await readFile(`${folder}/${name}`, 'utf8'))));
const source = (path: string) => fileURLToPath(new URL(`../../src/executors/temporal/${path}`, import.meta.url));
/** Texts that a pattern's group finds in a file. */
const found = async (path: string, pattern: RegExp) =>
  [...(await readFile(source(path), 'utf8')).matchAll(pattern)].map(([, text]) => text ?? '');

/** Patches of a file, by their names or by constants of the file. */
async function patchesOf(file: string): Promise<readonly string[]> {
  const constants = await found(file, /patched\((\w+)\)/gu);
  const named = constants.map((name) => found(file, new RegExp(`const ${name} = '([^']+)'`, 'gu')));
  return [...(await found(file, /patched\('([^']+)'\)/gu)), ...(await Promise.all(named)).flat()];
}

describe('histories', () => {
  test('of each type of workflow there is one', () => {
    expect(new Set(histories.map(({ type }) => type))).toEqual(new Set(Object.keys(workflows)));
  });

  test('of each activity there is one', async () => {
    const activities = await found('shared/activity-types.ts', /^ {2}(refill\w+)\(/gmu);
    expect(activities.length).toBeGreaterThan(15);
    expect(new Set(histories.flatMap((history) => history.activities))).toEqual(new Set(activities));
  });

  test('of each patch there is one with it, and one from before it for each type that has it', async () => {
    const code = (await readdir(source('workflows'))).map((name) => `workflows/${name}`);
    const patches = (await Promise.all(code.map(patchesOf))).flat();
    expect(patches).toEqual(expect.arrayContaining(['sweep', 'resumed-while-pausing']));
    for (const patch of patches) {
      const types = new Set(histories.flatMap((h) => (h.patches.includes(patch) ? [h.type] : [])));
      expect([patch, types.size > 0]).toEqual([patch, true]);
      for (const type of types)
        expect([patch, type, histories.some((h) => h.type === type && !h.patches.includes(patch))]).toEqual([
          patch,
          type,
          true,
        ]);
    }
  });

  test.each(files)('%s is replayed', async (name) => {
    const history: unknown = JSON.parse(await readFile(`${folder}/${name}`, 'utf8'));
    await Worker.runReplayHistory({ workflowBundle }, history);
  });

  /** In a rolling upgrade the activities of a workflow are done by new workers, and the workflow by an old one, or the reverse. */
  const older = files.filter((_, n) => {
    const { type, patches = [] } = histories[n] ?? {};
    return type !== undefined && TAKEN.test(type) && !patches.includes('taken-attributes');
  });
  test.each(older)('%s is replayed with what activities of a newer worker return', async (name) => {
    const text = await readFile(`${folder}/${name}`, 'utf8');
    const newer = text.replaceAll(/"data":\s*"([A-Za-z0-9+/=]+)"/gu, (whole, data: string) => {
      const decoded = withAttributes(Buffer.from(data, 'base64').toString('utf8'));
      return decoded === null ? whole : `"data": "${Buffer.from(decoded).toString('base64')}"`;
    });
    expect(newer).not.toBe(text);
    await Worker.runReplayHistory({ workflowBundle }, JSON.parse(newer));
  });

  test('one that does not fit the code is noticed', async () => {
    const [name = ''] = files.filter((one) => one.includes('refillTenant'));
    const text = await readFile(`${folder}/${name}`, 'utf8');
    const other: unknown = JSON.parse(text.replaceAll('"refillBegin"', '"refillBegun"'));
    await expect(Worker.runReplayHistory({ workflowBundle }, other)).rejects.toThrow(/nondeterminism/iu);
  });
});
