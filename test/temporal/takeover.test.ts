import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import { temporalBinary } from '../../src/embedded/temporal-binary.ts';
import { SEARCH_ATTRIBUTES } from '../../src/executors/temporal/shared/names.ts';
import { TAKEN_QUEUES, takenJob, type TakenType } from '../../src/executors/temporal/shared/taken.ts';
import type { TenantName } from '../../src/domain/words.ts';
import { Proxy } from '../ledger/proxy.ts';
import { answerFor, addTemplate, conversations, RANGE as DAYS, TEMPLATE } from '../backfill/support.ts';
import { startScorer } from '../scorers/server.ts';
import { checksum, ended, expectClean, fillCards, RANGE, sourceRows, targetRows } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { noTemporal, ownTemporal, startWorker, temporalFleet } from './given.ts';

/** A tenant with a worker that listens in place of the users' own, and the `temporal` command line as they use it. */
async function takenTenant(server = inject('temporal') ?? { address: '', namespace: '' }) {
  const t = await createTenant({ limits: { outageMinutes: 2 } });
  await fillCards(t);
  await addTemplate(t);
  const { url } = await startScorer(({ items }) => ({ results: items.map(({ id }) => answerFor(id)) }));
  const temporal = { ...server, tls: false, taskQueue: `t-${randomUUID().slice(0, 8)}` };
  const { test: cluster } = t.config.clusters;
  if (!cluster) throw new Error('no cluster');
  const postgres = await Proxy.to(cluster.postgres.port);
  const clusters = { test: { ...cluster, postgres: { ...cluster.postgres, port: postgres.port } } };
  const config = { ...t.config, clusters, temporal, scorers: { quality: { url, batch: 5 } } };
  const refill = createRefill(config);
  onTestFinished(() => refill.close());
  const worker = (env: NodeJS.ProcessEnv = {}) => startWorker(config, env, ['--takeover']);
  const operator = async (...args: readonly (string | readonly string[])[]): Promise<string> => {
    const at = ['--address', server.address, '--namespace', server.namespace];
    const ended = promisify(execFile)(temporalBinary() ?? 'temporal', [...args.flat(), ...at]);
    // `execute` ends with 1 where the workflow failed.
    return ended.then(
      ({ stdout }) => stdout,
      ({ stdout, stderr }: { stdout: string; stderr: string }) => `${stdout}${stderr}`,
    );
  };
  const idOf = (prefix: string) => `${prefix}-${t.name.customer}-${t.name.profile}-${randomUUID()}`;
  const owner = { customer_id: t.name.customer, profile_id: t.name.profile };
  const times = { start_time: RANGE.from, end_time: RANGE.to };
  const execute = (type: string, queue: string, id: string, payload: object) =>
    operator(
      ['workflow', 'execute', '--type', type, '--task-queue', queue, '--workflow-id', id, '--output', 'json'],
      ['--input', JSON.stringify(payload)],
    );
  const begin = (type: string, queue: string, id: string, payload: object) =>
    operator(
      ['workflow', 'start', '--type', type, '--task-queue', queue, '--workflow-id', id],
      ['--input', JSON.stringify(payload)],
    );
  /** The tenant's workflows with these search attributes, as the `temporal` command line lists them. */
  const found = (more: string) =>
    operator('workflow', 'list', '--query', `RefillTenant = "${t.name.customer}/${t.name.profile}" AND ${more}`);
  return { t, refill, postgres, worker, operator, execute, begin, found, idOf, owner, times };
}

/** Two clusters with a tenant each, whose workers reach the databases of their own cluster and no others. */
async function takenFleet() {
  const fleet = await temporalFleet({ cards: [60, 60], west: 1, limits: { outageMinutes: 0 } });
  const { clusters } = fleet.config;
  const away = (name: string) => {
    const cluster = clusters[name];
    if (!cluster) throw new Error(`no cluster ${name}`);
    const clickhouse = { ...cluster.clickhouse, urls: ['http://127.0.0.1:1'] };
    return { ...cluster, postgres: { ...cluster.postgres, host: '127.0.0.1', port: 1 }, clickhouse };
  };
  const worker = (cluster: 'east' | 'west', ...more: readonly string[]) => {
    const other = cluster === 'east' ? 'west' : 'east';
    const config = { ...fleet.config, clusters: { ...clusters, [other]: away(other) } };
    return startWorker(config, {}, ['--cluster', cluster, ...more]);
  };
  const begin = async ({ customer, profile }: TenantName): Promise<string> => {
    const id = `reindexconversations-${customer}-${profile}-${randomUUID()}`;
    const times = { start_time: '2026-01-01T00:00:00Z', end_time: '2026-03-01T00:00:00Z' };
    const input = JSON.stringify({ customer_id: customer, profile_id: profile, ...times });
    const type = ['--type', 'ReindexConversations', '--task-queue', 'reindex_conversations'];
    await fleet.operator('workflow', 'start', ...type, '--workflow-id', id, '--input', input);
    return id;
  };
  /** The workflow's activities, each with the cluster whose workers do it. */
  const activities = async (id: string): Promise<readonly string[]> => {
    const shown = await fleet.operator('workflow', 'show', '--workflow-id', id, '--output', 'json');
    const { events }: History = JSON.parse(shown);
    const done = new Set(events.map((e) => e.activityTaskCompletedEventAttributes?.scheduledEventId));
    return events.flatMap(({ eventId, activityTaskScheduledEventAttributes: scheduled }) => {
      if (!scheduled) return [];
      const cluster = scheduled.taskQueue.name.replace(`${fleet.taskQueue}-`, '');
      return [`${scheduled.activityType.name} on ${cluster}: ${done.has(eventId) ? 'done' : 'waiting'}`];
    });
  };
  // `result` ends with 1 where the workflow failed.
  const operator = (...args: readonly string[]) =>
    fleet.operator(...args).catch((error: { stdout: string; stderr: string }) => `${error.stdout}${error.stderr}`);
  return { fleet, worker, begin, operator, activities };
}

/** The conversation scorecards of both sides are the same rows. */
async function expectConversations(t: TestTenant): Promise<void> {
  const ofConversation = (row: Record<string, unknown>) => row['conversation_id'] !== '';
  const wanted = (await sourceRows(t, 'scorecard')).filter(ofConversation);
  expect((await targetRows(t, 'scorecard')).filter(ofConversation)).toEqual(wanted);
  expect(wanted.length).toBeGreaterThan(0);
}

/** What is read here of a workflow's history. */
interface History {
  readonly events: readonly {
    readonly eventId: string;
    readonly activityTaskScheduledEventAttributes?: {
      readonly activityType: { readonly name: string };
      readonly taskQueue: { readonly name: string };
    };
    readonly activityTaskCompletedEventAttributes?: { readonly scheduledEventId: string };
  }[];
}

const QUEUES = Object.entries(TAKEN_QUEUES);

/** Starts a workflow with bytes of one's own for a payload, as a program in another language may send them. */
async function startWith(type: string, queue: string, encoding: string, data: string): Promise<string> {
  const server = inject('temporal') ?? { address: '', namespace: '' };
  const connection = await Connection.connect({ address: server.address });
  const payload = { metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(data) };
  const codec = {
    encode: (all: unknown[]) => Promise.resolve(all.map(() => payload)),
    decode: (all: never[]) => Promise.resolve(all),
  };
  const client = new Client({ connection, namespace: server.namespace, dataConverter: { payloadCodecs: [codec] } });
  const workflowId = `broken-${randomUUID()}`;
  await client.workflow.start(type, { taskQueue: queue, workflowId, args: ['replaced'] });
  await connection.close();
  return workflowId;
}

describe.skipIf(noTemporal())('the workflows that users have', () => {
  test('conversations and process scorecards are re-indexed, each by its own workflow, and proven', async () => {
    const { t, worker, execute, idOf, owner, times } = await takenTenant();
    await worker();
    const process = await checksum(t, 'scorecard', `conversation_id = ''`);
    const first = await execute('ReindexConversations', 'reindex_conversations', idOf('reindexconversations'), {
      ...owner,
      ...times,
    });
    expect(first).toContain('succeeded');
    expect(await checksum(t, 'scorecard', `conversation_id = ''`)).toBe(process);
    const second = await execute('ReindexProcessScorecards', 'reindex_scorecards', idOf('reindexscorecards'), {
      ...owner,
      ...times,
    });
    expect(second).toContain('succeeded');
    await expectClean(t);
  });

  test('an operator finds it by its run, tenant and state: while it is at work, and when it has ended', async () => {
    const { refill, worker, operator, begin, found, idOf, owner, times } = await takenTenant();
    await worker({ REFILL_DEBUG_POINT: 'window-written:sleep=8000' });
    const id = idOf('reindexconversations');
    await begin('ReindexConversations', 'reindex_conversations', id, { ...owner, ...times });
    const runId = async () => (await refill.status().catch(() => null))?.run.id;
    await expect.poll(runId, { timeout: 60_000 }).toBeDefined();
    const subject = `RefillRun = "${await runId()}" AND RefillCluster = "test" AND RefillDataset = "scorecards"`;
    const running = () => found(`${subject} AND RefillState = "running" AND ExecutionStatus = "Running"`);
    await expect.poll(running, { timeout: 20_000 }).toContain(id);
    expect((await refill.status()).run.state).toBe('running');
    expect(await operator('workflow', 'result', '--workflow-id', id)).toContain('succeeded');
    await expect.poll(() => found(`${subject} AND RefillState = "succeeded"`), { timeout: 30_000 }).toContain(id);
  });

  test('with a server that does not know the search attributes it is done all the same, and so is a verification', async () => {
    const server = await ownTemporal();
    const { t, worker, operator, execute, idOf, owner, times } = await takenTenant(server);
    await worker();
    // As a worker that may not register them leaves it.
    for (const name of SEARCH_ATTRIBUTES)
      await operator('operator', 'search-attribute', 'remove', ['--name', name, '--yes']);
    const ended = await execute('ReindexConversations', 'reindex_conversations', idOf('re'), { ...owner, ...times });
    expect(ended).toContain('succeeded');
    const from = { v: 1, ...t.name, from: RANGE.from, to: RANGE.to };
    const verified = await execute('refillVerify', 'reindex_conversations', idOf('verify'), from);
    expect(verified).toContain('VERIFY_DIFFERS');
    const listed = await operator('workflow', 'list', ['--output', 'json']);
    expect(listed).toContain('refillVerify');
    expect(listed).not.toContain('RefillState');
  });

  test('process scorecards by their ids', async () => {
    const { t, worker, execute, idOf, owner } = await takenTenant();
    await worker();
    const ids = ['card-8', 'card-16', 'card-40'];
    const answer = await execute('ReindexProcessScorecards', 'reindex_scorecards', idOf('reindexscorecards'), {
      ...owner,
      scorecard_ids: ids,
    });
    expect(answer).toContain('succeeded');
    const all = { from: '2026-01-01T00:00:00.000Z', to: '2026-03-01T00:00:00.000Z' };
    const which = (row: Record<string, unknown>) => ids.includes(String(row['scorecard_id']));
    expect((await targetRows(t, 'score', all)).filter(which)).toEqual(
      (await sourceRows(t, 'score', all)).filter(which),
    );
  });

  test('a backfill, by a worker that is killed in it: another one goes on, and everything counts once', async () => {
    const { t, worker, operator, idOf, owner } = await takenTenant();
    const wanted = (await conversations(t, `agent_user_id <> 'agent-3'`)).length;
    const id = idOf('backfillscorecards');
    const payload = { version: 1, ...owner, start_time: DAYS.from, end_time: DAYS.to, scorecard_template: TEMPLATE };
    const first = await worker({ REFILL_DEBUG_POINT: 'chunk-committed:kill@2' });
    await operator(
      ['workflow', 'start', '--type', 'BackfillScorecards', '--task-queue', 'backfill_scorecards'],
      ['--workflow-id', id, '--input', JSON.stringify({ ...payload, source_job: 'test' })],
    );
    expect((await first.end).signal).toBe('SIGKILL');
    await worker();
    const answer = await operator('workflow', 'result', '--workflow-id', id);
    expect(answer).toContain('succeeded');
    const { rows } = await t.pg.query('SELECT count(*)::int AS n FROM director.scorecards WHERE template_id = $1', [
      TEMPLATE,
    ]);
    expect(rows).toEqual([{ n: wanted }]);
    expect(answer).toMatch(new RegExp(`scorecardsCreated[^0-9]*${wanted}`, 'u'));
  });

  test('an unknown tenant, a reversed range and what cannot be read fail each of them at once, and name the field', async () => {
    const { worker, operator, execute, idOf, owner, times } = await takenTenant();
    await worker();
    for (const [type, queue] of QUEUES) {
      const run = (payload: object) =>
        execute(type, queue, idOf('wrong'), { scorecard_template: TEMPLATE, ...payload });
      // One of a length that no search attribute has, too.
      for (const customer_id of ['nobody', 'nobody'.repeat(500)]) {
        const unknown = await run({ ...times, customer_id, profile_id: 'none' });
        expect(unknown).toContain('PAYLOAD_INVALID');
        expect(unknown).toContain('customer_id');
      }
      expect(await run({ ...owner, start_time: RANGE.to, end_time: RANGE.from })).toContain('end_time');
      for (const [encoding, data, said] of [
        ['json/plain', '{"customer_id": "ac', 'what is no JSON'],
        ['json/unheard-of', '{}', 'what is no JSON'],
        ['binary/plain', 'bytes', 'bytes'],
      ] as const) {
        const id = await startWith(type, queue, encoding, data);
        const answer = await operator('workflow', 'result', '--workflow-id', id, '--output', 'json');
        expect(answer).toContain('PAYLOAD_INVALID');
        expect(answer).toContain(`expected a JSON object, got ${said}`);
      }
    }
  });

  test('a job is done by a worker of the cluster that has its tenant, whoever takes it from the users’ task queue', async () => {
    const { fleet, worker, begin, operator, activities } = await takenFleet();
    const [inEast, inWest] = fleet.tenants;
    if (!inEast || !inWest) throw new Error('two tenants');
    await worker('east', '--takeover');
    const west = await begin(inWest.name);
    // Nobody who could know is there yet: it is neither refused nor done elsewhere.
    await expect
      .poll(() => activities(west), { timeout: 60_000 })
      .toEqual(expect.arrayContaining(['refillTakenFind on east: done', 'refillTakenFind on west: waiting']));
    await worker('west');
    expect(await operator('workflow', 'result', '--workflow-id', west)).toContain('succeeded');
    expect(await activities(west)).toEqual(
      expect.arrayContaining(['refillTakenPlan on west: done', 'refillTakenRun on west: done']),
    );
    await expectConversations(inWest);

    const east = await begin(inEast.name);
    expect(await operator('workflow', 'result', '--workflow-id', east)).toContain('succeeded');
    expect(await activities(east)).toContain('refillTakenRun on east: done');
    await expectConversations(inEast);

    const nobody = await begin({ customer: 'nobody', profile: 'none' });
    const answer = await operator('workflow', 'result', '--workflow-id', nobody, '--output', 'json');
    expect(answer).toContain('PAYLOAD_INVALID');
    expect(answer).toContain('no tenant nobody/none was found on east, west');
  });

  test('with a cluster that nobody serves, the others’ jobs are done all the same', async () => {
    const { fleet, worker, begin, operator } = await takenFleet();
    await worker('east', '--takeover');
    const id = await begin(fleet.tenants[0]?.name ?? { customer: '', profile: '' });
    expect(await operator('workflow', 'result', '--workflow-id', id)).toContain('succeeded');
  });

  test('a tenant that two clusters have is refused, and both are named', async () => {
    const { fleet, begin, operator } = await takenFleet();
    const { east, west } = fleet.config.clusters;
    if (!east || !west) throw new Error('two clusters');
    const clusters = { east, west: { ...west, tenants: east.tenants } };
    await startWorker({ ...fleet.config, clusters }, {}, ['--takeover']);
    const id = await begin(fleet.tenants[0]?.name ?? { customer: '', profile: '' });
    const answer = await operator('workflow', 'result', '--workflow-id', id, '--output', 'json');
    expect(answer).toContain('TENANT_AMBIGUOUS');
    expect(answer).toMatch(/is in several places: (?:east, west|west, east)/u);
  });

  test('a server that is away while it plans is waited for', async () => {
    const { postgres, worker, operator, begin, idOf, owner, times } = await takenTenant();
    await worker();
    postgres.goAway();
    const id = idOf('reindexconversations');
    await begin('ReindexConversations', 'reindex_conversations', id, { ...owner, ...times });
    const described = () => operator('workflow', 'describe', '--workflow-id', id);
    await expect.poll(described, { timeout: 60_000 }).toContain('waiting for postgres');
    postgres.comeBack();
    expect(await operator('workflow', 'result', '--workflow-id', id)).toContain('succeeded');
  });

  test('its run is paused from elsewhere, and resumed there: the workflow waits, and ends with it', async () => {
    const { refill, worker, operator, begin, found, idOf, owner, times } = await takenTenant();
    await worker({ REFILL_DEBUG_POINT: 'window-written:sleep=5000' });
    const id = idOf('reindexconversations');
    await begin('ReindexConversations', 'reindex_conversations', id, { ...owner, ...times });
    const state = async () => (await refill.status().catch(() => null))?.run.state;
    await expect.poll(state, { timeout: 60_000 }).toBe('running');
    await refill.pause();
    await expect.poll(state, { timeout: 60_000 }).toBe('paused');
    const described = () => operator('workflow', 'describe', '--workflow-id', id);
    await expect.poll(described, { timeout: 30_000 }).toContain('waiting to be resumed');
    const { run } = await refill.status();
    const paused = () => found(`RefillRun = "${run.id}" AND RefillState = "paused" AND ExecutionStatus = "Running"`);
    await expect.poll(paused, { timeout: 30_000 }).toContain(id);
    expect((await ended(refill.resume())).result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await operator('workflow', 'result', '--workflow-id', id)).toContain('succeeded');
  });

  test('an operator cancels it while no worker is there: the next one ends the run, and its range is free', async () => {
    const { t, refill, worker, operator, begin, found, idOf, owner, times } = await takenTenant();
    const first = await worker({ REFILL_DEBUG_POINT: 'window-inserted:kill' });
    const id = idOf('reindexconversations');
    await begin('ReindexConversations', 'reindex_conversations', id, { ...owner, ...times });
    expect((await first.end).signal).toBe('SIGKILL');
    expect((await refill.status()).run.state).toBe('running');
    await operator('workflow', 'cancel', '--workflow-id', id);
    await worker();
    await expect.poll(async () => (await refill.status()).run.state, { timeout: 90_000 }).toBe('cancelled');
    const { run } = await refill.status();
    const over = () => found(`RefillRun = "${run.id}" AND RefillState = "cancelled"`);
    await expect.poll(over, { timeout: 30_000 }).toContain(id);
    const plan = await refill.plan({ tenant: t.name, range: RANGE });
    expect((await ended(refill.run(plan.id))).result).toMatchObject({ state: 'succeeded' });
  });

  test('a backfill that is cancelled elsewhere is over, and its workflow says so', async () => {
    const { refill, worker, operator, begin, found: listed, idOf, owner } = await takenTenant();
    await worker({ REFILL_DEBUG_POINT: 'chunk-committed:sleep=5000' });
    const id = idOf('backfillscorecards');
    const payload = { ...owner, start_time: DAYS.from, end_time: DAYS.to, scorecard_template: TEMPLATE };
    await begin('BackfillScorecards', 'backfill_scorecards', id, payload);
    const [found] = await expect
      .poll(() => refill.backfills(), { timeout: 60_000 })
      .toMatchObject([{ state: 'running' }])
      .then(() => refill.backfills());
    const inState = (state: string) => listed(`RefillRun = "${found?.id}" AND RefillState = "${state}"`);
    await expect.poll(() => inState('running'), { timeout: 30_000 }).toContain(id);
    await refill.cancelBackfill(found?.id ?? '');
    const answer = await operator('workflow', 'result', '--workflow-id', id);
    expect(answer).toMatch(/FAILED[^]*backfill b-\w+ is cancelled/u);
    await expect.poll(() => inState('cancelled'), { timeout: 30_000 }).toContain(id);
    expect(await refill.backfillStatus(found?.id ?? '')).toMatchObject({ state: 'cancelled' });
  });
});

test.each([
  ['a list', [], 'expected a JSON object, got a list'],
  ['a text', 'x', 'expected a JSON object, got a string'],
  ['an unknown version', { version: 2 }, '`version`: expected 1'],
  ['no customer', { profile_id: 'p' }, '`customer_id`'],
  ['no zone', { start_time: '2026-01-05T00:00:00' }, '`start_time`'],
  ['no time', { start_time: undefined }, '`start_time`'],
  ['a reversed range', { end_time: '2026-01-01T00:00:00Z' }, '`end_time`'],
])('a payload with %s is refused, and its field is named', (_, payload, message) => {
  const right = {
    customer_id: 'c',
    profile_id: 'p',
    start_time: '2026-01-05T00:00:00Z',
    end_time: '2026-01-06T00:00:00Z',
  };
  const broken = typeof payload === 'string' || Array.isArray(payload) ? payload : { ...right, ...payload };
  const wrong = 'profile_id' in Object(payload) ? payload : broken;
  const type: TakenType = 'ReindexConversations';
  expect(takenJob(type, right)).toMatchObject({ of: 'range', request: { only: { subset: 'conversation' } } });
  expect(() => takenJob(type, wrong)).toThrow(message);
});
