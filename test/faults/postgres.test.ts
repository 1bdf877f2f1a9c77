import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import type { EmbeddedInfo } from '../../src/embedded/info.ts';
import { removeEmbedded, startEmbedded } from '../../src/embedded/stack.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

let dir = '';
/** A server of our own, as nobody else gets a connection meanwhile. */
let stack: EmbeddedInfo;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'refill-postgres-'));
  stack = await startEmbedded({ dir, attached: true });
});
afterEach(() => onDebugPoint(undefined));
afterAll(() => removeEmbedded(dir));

async function connected(t: TestTenant): Promise<Client> {
  const { host, port, user, password } = stack.postgres;
  const client = new Client({ host, port, user, password, database: t.database });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** A tenant whose ledger is on the servers of the whole test run. */
async function filled(): Promise<TestTenant> {
  const elsewhere = await createTenant();
  const t = await createTenant({ stack, limits: { windows: 1, windowRows: 300, outageMinutes: 2 } });
  await fillCards(t, { cards: 120 });
  process.env['REFILL_TEST_LEDGER_PASSWORD'] = inject('stack').postgres.password;
  const ledger = { ...elsewhere.config.ledger, password: 'env:REFILL_TEST_LEDGER_PASSWORD' };
  const refill = createRefill({ ...t.config, ledger });
  onTestFinished(() => refill.close());
  return { ...t, refill };
}

test('Postgres without a free connection: the run waits for one, longer than its tries, and goes on by itself', async () => {
  const t = await filled();
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  const others: Client[] = [];
  const giveBack = () => Promise.all(others.splice(0).map((client) => client.end()));
  onTestFinished(() => void giveBack());
  onDebugPoint(async (point) => {
    if (point !== 'epoch-kept') return;
    for (let full = false; !full;)
      full = await connected(t).then(
        (client) => others.push(client) < 0,
        (error: unknown) => {
          expect(error).toMatchObject({ code: '53300' });
          return true;
        },
      );
  });
  let refused = 0;
  const { result } = await ended(t.refill.run(plan.id), async (event) => {
    if (event.type !== 'notice' || !event.message.includes('Postgres says 53300')) return;
    refused += 1;
    if (refused > plan.limits.attempts) await giveBack();
  });
  expect(refused).toBeGreaterThan(plan.limits.attempts);
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t);
});

test('a deadlock on purpose: our statement is the one that ends, and the window is tried again', async () => {
  const t = await filled();
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  const other = await connected(t);
  onTestFinished(() => other.end());
  // Whoever waits looks for a deadlock once, after this time: ours when both wait, the other one never.
  await t.pg.query(`ALTER DATABASE "${t.database}" SET deadlock_timeout = '3s'`);
  await other.query(`SET deadlock_timeout = '10min'`);
  const WAITS = `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'director.scores'::regclass`;
  let locked: Promise<unknown> | undefined;
  onDebugPoint(async (point) => {
    if (point !== 'epoch-kept' || locked) return;
    await other.query('BEGIN');
    await other.query('LOCK TABLE director.scores IN ACCESS EXCLUSIVE MODE');
    locked = (async () => {
      // Our COPY has read scorecards, and waits for scores.
      await expect.poll(async () => (await t.pg.query(WAITS)).rowCount, { timeout: 30_000, interval: 20 }).toBe(1);
      await other.query('LOCK TABLE director.scorecards IN ACCESS EXCLUSIVE MODE');
      await other.query('COMMIT');
    })();
  });
  const { events, result } = await ended(t.refill.run(plan.id));
  await locked;
  expect(events.flatMap((e) => (e.type === 'notice' ? [e.message] : [])).join('\n')).toMatch(
    /^window \d+: .*Postgres says 40P01.*tried again in/mu,
  );
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  const attempts = await (await t.refill.ledger()).attempts(result.run);
  expect(attempts.filter((a) => a.failure === 'PG_BUSY')).toHaveLength(1);
  await expectClean(t);
});
