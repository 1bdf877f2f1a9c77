import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { PayloadCodec } from '@temporalio/common';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import type { TemporalConnection } from '../../src/config/config.ts';
import type { Executor } from '../../src/domain/executor.ts';
import type { Limits } from '../../src/domain/limits.ts';
import type { RunEvent } from '../../src/domain/events.ts';
import { temporalBinary } from '../../src/embedded/temporal-binary.ts';
import type { CancelWaiting } from '../../src/refill.ts';
import { configFile, start } from '../faults/program.ts';
import { fleetEnded } from '../fleet/support.ts';
import { ended, expectClean, fillCards, RANGE, thrown } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';
import { codecFile } from './codec.ts';
import { noTemporal, startWorker } from './given.ts';
import { startTheirs, type TheirOptions } from './their-worker/worker.ts';
import { guard, makeCertificates } from './way.ts';

const KEY = 'a-key-that-nobody-may-see';

/** A tenant whose windows are derived by the users' workflow, which a worker of theirs serves. */
async function theirTenant(
  theirs: TheirOptions = {},
  limits: Partial<Limits> = {},
  {
    aimSeconds = 3600,
    atOnce = 2,
    executor = 'local',
    connection,
  }: {
    readonly aimSeconds?: number;
    readonly atOnce?: number;
    readonly executor?: Executor;
    /** How Refill reaches their server. Default: as it is. */
    readonly connection?: Partial<TemporalConnection>;
  } = {},
) {
  const t = await createTenant({ limits: { windowRows: 150, attempts: 2, ...limits } });
  await fillCards(t);
  const server = inject('temporal') ?? { address: '', namespace: '' };
  const taskQueue = `reindex_conversations-${randomBytes(4).toString('hex')}`;
  const worker = await startTheirs(t, server, taskQueue, theirs);
  const { test: cluster, ...others } = t.config.clusters;
  if (!cluster) throw new Error('no cluster');
  const scorecards = {
    type: 'temporal',
    ...server,
    ...connection,
    workflowType: 'ReindexConversations',
    taskQueue,
    workflowId: 'reindexconversations-{customer}-{profile}-{id}',
    payload: { customer_id: '{customer}', profile_id: '{profile}', start_time: '{from}', end_time: '{to}' },
    progress: {
      done: '0.State.ReindexedConversations',
      failed: '0.State.FailedConversations',
      total: '0.State.TotalConversationCount',
    },
    atOnce,
    aimSeconds,
    pollSeconds: 0.1,
  } as const;
  const config = {
    ...t.config,
    executor,
    temporal: { ...server, tls: false, taskQueue: `t-${randomBytes(4).toString('hex')}` },
    clusters: { ...others, test: { ...cluster, reindexers: { scorecards } } },
  };
  if (executor === 'temporal') await startWorker(config);
  const refill = createRefill(config);
  onTestFinished(() => refill.close());
  const operator = async (...args: readonly string[]) => {
    const at = ['--address', server.address, '--namespace', server.namespace];
    return (await promisify(execFile)(temporalBinary() ?? 'temporal', [...args, ...at])).stdout;
  };
  const startAgain = () => startTheirs(t, server, taskQueue, theirs);
  return { t, refill, config, operator, begun: worker.begun, stop: worker.stop, startAgain };
}

/** What an operator sees of a workflow. */
async function statusOf(operator: (...args: readonly string[]) => Promise<string>, id: string): Promise<string> {
  const described = await operator('workflow', 'describe', '--workflow-id', id, '--output', 'json');
  return /"status": *"(\w+)"/u.exec(described)?.[1] ?? described;
}

const notices = (events: readonly RunEvent[]) =>
  events.flatMap((event) => (event.type === 'notice' ? [event.message] : []));

describe.skipIf(noTemporal())('bring your own re-indexer', () => {
  test.each(['purge', 'replace'] as const)(
    '%s: their workflow derives each window, cut until it is small enough, and the rows are proven',
    async (strategy) => {
      const { t, refill, begun } = await theirTenant({ most: 12 });
      const plan = await refill.plan({ tenant: t.name, range: RANGE, strategy });
      expect(plan.reindexer).toMatchObject({ workflowType: 'ReindexConversations' });
      expect(plan.deletes).toHaveLength(plan.windows.length);
      const { events, result } = await ended(refill.run(plan.id));
      expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
      await expectClean(t);
      expect(notices(events).join('\n')).toContain('is cut in two at');
      expect(begun.every((id) => id.startsWith(`reindexconversations-${t.name.customer}-${t.name.profile}-r-`))).toBe(
        true,
      );
      expect(new Set(begun).size).toBe(begun.length);
    },
  );

  test.each(['purge', 'replace'] as const)(
    '%s: killed -9 while their workflows are at work, exactly these are adopted',
    async (strategy) => {
      const { t, refill, config, begun } = await theirTenant({ slowMs: 1500 });
      const plan = await refill.plan({ tenant: t.name, range: RANGE, strategy });
      const killed = await start(['run', plan.id, '--execute', '--config', await configFile(config)], {
        REFILL_DEBUG_POINT: 'reindexer-started:kill@2',
      });
      expect((await killed.end).signal).toBe('SIGKILL');
      const { result } = await ended(refill.resume());
      expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
      await expectClean(t);
      expect(new Set(begun).size).toBe(begun.length);
      expect(begun.every((id) => id.includes('-a1-'))).toBe(true);
    },
  );

  test('a workflow that fails when all is written counts as done: its rows are there', async () => {
    const { t, refill } = await theirTenant({ mode: 'at-the-end' });
    const plan = await refill.plan({ tenant: t.name, range: RANGE });
    const { events, result } = await ended(refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
    expect(notices(events).some((text) => text.includes('is FAILED, and its rows are all there'))).toBe(true);
  });

  test('a workflow that ends well and leaves rows out is not believed: nothing is deleted', async () => {
    const { t, refill } = await theirTenant({ mode: 'lies' });
    const before = await t.select<{ n: string }>('SELECT toString(uniqExact(scorecard_id)) AS n FROM scorecard');
    const plan = await refill.plan({ tenant: t.name, range: RANGE, strategy: 'replace' });
    const { result } = await ended(refill.run(plan.id));
    expect(result).toMatchObject({ state: 'failed', error: { code: 'PROOF_FAILED' }, rowsDeleted: 0 });
    const after = await t.select<{ n: string }>('SELECT toString(uniqExact(scorecard_id)) AS n FROM scorecard');
    expect(Number(after[0]?.n)).toBeGreaterThanOrEqual(Number(before[0]?.n));
  });

  test.each(['local', 'temporal'] as const)('%s: refill cancel ends what it has started', async (executor) => {
    const { t, refill, operator, begun } = await theirTenant({ slowMs: 30_000 }, {}, { executor });
    const plan = await refill.plan({ tenant: t.name, range: RANGE });
    let asked = false;
    const { result } = await ended(refill.run(plan.id), async () => {
      if (begun.length === 0 || asked) return;
      asked = true;
      await refill.cancel();
    });
    expect(result.state).toBe('cancelled');
    // They have ended by the time that the run is over.
    expect(begun.length).toBeGreaterThan(0);
    for (const id of begun) expect(await statusOf(operator, id)).toMatch(/CANCELED/u);
  });

  test.each(['run', 'fleet'] as const)(
    'cancel of a %s whose program was killed ends what that has left; retry begins anew and cuts nothing',
    async (of) => {
      const theirs: { slowMs: number } = { slowMs: 30_000 };
      const { t, refill, config, operator, begun, stop, startAgain } = await theirTenant(theirs);
      const { id } = await (of === 'run'
        ? refill.plan({ tenant: t.name, range: RANGE })
        : refill.planFleet({ range: RANGE, tenants: [t.name] }));
      const killed = await start(['run', id, '--execute', '--config', await configFile(config)], {
        REFILL_DEBUG_POINT: 'reindexer-started:kill@2',
      });
      expect((await killed.end).signal).toBe('SIGKILL');
      await expect.poll(() => begun.length).toBe(2);
      // Nobody is there who could end them. Who waits is told for what, and may stop waiting.
      await stop();
      const waited: string[] = [];
      const enough = new AbortController();
      const onWait = (reason: string) => {
        waited.push(reason);
        enough.abort();
      };
      const cancel = (waiting: CancelWaiting = {}) =>
        of === 'run' ? refill.cancel(undefined, waiting) : refill.cancelFleet(id, waiting);
      await expect(cancel({ signal: enough.signal, onWait })).rejects.toThrow();
      expect(waited).toEqual([expect.stringMatching(/^the end of workflow /u)]);
      expect((await refill.status()).run.state).toBe('running');
      await startAgain();
      await cancel();
      expect((await refill.status()).run).toMatchObject({ state: 'cancelled' });
      for (const workflow of begun) expect(await statusOf(operator, workflow)).toMatch(/CANCELED/u);
      theirs.slowMs = 0;
      const { events, result } = of === 'run' ? await ended(refill.retry()) : await fleetEnded(refill.retryFleet(id));
      expect(result).toMatchObject({ state: 'succeeded' });
      expect(JSON.stringify(events)).not.toContain('cut in two');
      await expectClean(t);
    },
  );

  test.each(['cancel', 'terminate'] as const)(
    'an operator who does %s to a workflow of theirs gets no more of it, and retry starts another one',
    async (how) => {
      const theirs: { slowMs: number } = { slowMs: 30_000 };
      const { t, refill, operator, begun } = await theirTenant(theirs, { windowRows: 100_000 });
      const january = { from: RANGE.from, to: '2026-02-01T00:00:00.000Z' };
      const plan = await refill.plan({ tenant: t.name, range: january });
      expect(plan.windows).toHaveLength(1);
      let asked = false;
      const { result } = await ended(refill.run(plan.id), async () => {
        if (begun.length === 0 || asked) return;
        asked = true;
        await operator('workflow', how, '--workflow-id', begun[0] ?? '');
      });
      expect(result).toMatchObject({
        state: 'failed',
        error: { code: 'REINDEXER_FAILED', message: expect.stringContaining('was ended by somebody') },
      });
      expect(begun).toHaveLength(1);
      theirs.slowMs = 0;
      expect((await ended(refill.retry())).result).toMatchObject({ state: 'succeeded', differences: 0 });
      expect(begun).toHaveLength(2);
    },
  );

  test('who waits for a place of theirs says so, and is cancelled while another run has it', async () => {
    const theirs: { slowMs: number } = { slowMs: 30_000 };
    const { t, refill, begun } = await theirTenant(theirs, { windowRows: 100_000 }, { atOnce: 1 });
    const planned = (from: string, to: string) => refill.plan({ tenant: t.name, range: { from, to } });
    const middle = '2026-01-31T00:00:00.000Z';
    const [first, second] = [await planned(RANGE.from, middle), await planned(middle, RANGE.to)];
    const busy = ended(refill.run(first.id));
    await expect.poll(() => begun.length).toBe(1);
    let asked = false;
    const { events, result } = await ended(refill.run(second.id), async (event) => {
      if (asked || event.type !== 'progress' || !event.doing.includes('one of the 1 workflows')) return;
      asked = true;
      await refill.cancel(event.run);
    });
    expect(events.some((event) => event.type === 'progress' && event.doing.includes('one of the 1 workflows'))).toBe(
      true,
    );
    expect(result.state).toBe('cancelled');
    expect(begun).toHaveLength(1);
    await refill.cancel();
    expect((await busy).result.state).toBe('cancelled');
  });

  test('their server is reached as Refill’s own: with certificates, a key and a codec, and with every call', async () => {
    const certificates = await makeCertificates('DNS:temporal.internal');
    const way = await guard(inject('temporal')?.address ?? '', certificates, KEY);
    process.env['REFILL_TEST_THEIR_KEY'] = KEY;
    const codec = await codecFile();
    const { default: codecs }: { default: PayloadCodec[] } = await import(codec);
    const { certificate, key } = certificates.client;
    const tls = {
      ca: `file:${certificates.ca}`,
      certificate: `file:${certificate}`,
      key: `file:${key}`,
      serverName: 'temporal.internal',
    };
    const connection = { address: way.address, apiKey: 'env:REFILL_TEST_THEIR_KEY', tls, codec };
    const { t, refill, config, operator, begun } = await theirTenant({ codecs, slowMs: 300 }, {}, { connection });
    const { taskQueue } = config.clusters.test.reindexers.scorecards;
    expect((await refill.doctor()).filter(({ subject }) => [way.address, taskQueue].includes(subject))).toMatchObject([
      { check: 're-indexer', level: 'ok' },
      { check: 'workers', level: 'ok', message: expect.stringMatching(/^1 at work: /u) },
    ]);
    const plan = await refill.plan({ tenant: t.name, range: RANGE });
    const { events, result } = await ended(refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
    const methods = new Set(way.calls.map(({ method }) => method));
    expect([...methods]).toEqual(expect.arrayContaining(['StartWorkflowExecution', 'DescribeWorkflowExecution']));
    expect(new Set(way.calls.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${KEY}`]));
    // Their payload is sealed, and their heartbeats are read all the same.
    const history = await operator('workflow', 'show', '--workflow-id', begun[0] ?? '', '--output', 'json');
    expect(history).toContain(Buffer.from('binary/sealed').toString('base64'));
    const doing = events.flatMap((event) => (event.type === 'progress' ? [event.doing] : []));
    expect(doing.join('\n')).toMatch(/\d+ of \d+/u);

    const { certificate: _c, key: _k, ...nobody } = tls;
    const { reindexers, ...cluster } = config.clusters.test;
    const scorecards = { ...reindexers.scorecards, tls: nobody };
    const stranger = createRefill({
      ...config,
      limits: { ...config.limits, outageMinutes: 0, attempts: 1 },
      clusters: { test: { ...cluster, reindexers: { scorecards } } },
    });
    onTestFinished(() => stranger.close());
    expect((await stranger.doctor()).filter(({ subject }) => subject === way.address)).toMatchObject([
      { check: 're-indexer', level: 'error', message: expect.stringContaining('TEMPORAL_UNREACHABLE') },
    ]);
    const next = await stranger.plan({ tenant: t.name, range: RANGE });
    expect((await ended(stranger.run(next.id))).result).toMatchObject({
      state: 'failed',
      error: { code: 'TEMPORAL_UNREACHABLE' },
    });
  });

  test('a plan is refused where another workflow is configured by now', async () => {
    const { t, refill, config } = await theirTenant();
    const plan = await refill.plan({ tenant: t.name, range: RANGE });
    const { reindexers: _, ...plain } = config.clusters.test;
    const other = createRefill({ ...config, clusters: { test: plain } });
    onTestFinished(() => other.close());
    expect(await thrown(() => ended(other.run(plan.id)))).toMatchObject({ code: 'PLAN_FOREIGN' });
  });
});
