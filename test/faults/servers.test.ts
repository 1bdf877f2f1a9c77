import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';
import { createRefill } from '../../src/create-refill.ts';
import type { EmbeddedInfo } from '../../src/embedded/info.ts';
import { removeEmbedded, startEmbedded } from '../../src/embedded/stack.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { freePort } from '../ledger/postgres.ts';
import { Proxy } from '../ledger/proxy.ts';
import { checksum, ended, expectClean, fillCards, RANGE, thrown } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { configFile, start } from './program.ts';

let dir = '';
/** Servers of our own, as they are killed. */
let stack: EmbeddedInfo;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'refill-faults-'));
  stack = await startEmbedded({ dir, attached: true });
});
afterEach(() => onDebugPoint(undefined));
afterAll(() => removeEmbedded(dir));

/** A process and all that it started, Postgres's backends for one: as when the machine goes. */
function family(pid: number): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/u.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false;
      }
    });
  return [pid, ...children.flatMap((child) => family(Number(child)))];
}

/** Kills a server and starts it again after a while, on the same ports. */
async function killServer(which: 'postgres' | 'clickhouse'): Promise<void> {
  for (const pid of family(stack.pids[which])) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
  await sleep(1000 + Math.random() * 500);
  stack = await startEmbedded({ dir, attached: true });
}

/** Numbers that are random enough and the same every time (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Kills a server at a random moment of what is run next; `restarted` resolves when it is back. */
function killAt(seed: number, which: 'postgres' | 'clickhouse'): { readonly restarted: () => Promise<void> } {
  const next = random(seed);
  // A run of the fixture passes about thirty points.
  const [at, delay] = [1 + Math.floor(next() * 26), next() * 60];
  let passed = 0;
  let restart: Promise<void> | undefined;
  onDebugPoint(() => {
    passed += 1;
    if (passed === at) restart = sleep(delay).then(() => killServer(which));
  });
  return {
    restarted: async () => {
      onDebugPoint(undefined);
      if (!restart) throw new Error(`the run passed ${passed} points only, not ${at}`);
      await restart;
    },
  };
}

async function filled(config: (config: RefillConfig) => RefillConfig | Promise<RefillConfig> = (c) => c) {
  const t = await createTenant({ stack, limits: { windowRows: 120, outageMinutes: 2 } });
  await fillCards(t);
  const own = await config(t.config);
  const refill = createRefill(own);
  onTestFinished(() => refill.close());
  return { t: { ...t, refill }, config: own };
}

/** With connections that were made after the server came back. */
async function reconnected(t: TestTenant): Promise<TestTenant> {
  const { host, port, user, password } = stack.postgres;
  const client = new Client({ host, port, user, password, database: t.database });
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => client.end());
  return { ...t, pg: client };
}

/** A ledger on the servers of the whole test run, which nobody kills. */
async function ledgerElsewhere(config: RefillConfig): Promise<RefillConfig> {
  const { host, port, user, password } = inject('stack').postgres;
  const admin = new Client({ host, port, user, password, database: 'postgres' });
  await admin.connect();
  const database = `ledger_elsewhere_${process.hrtime.bigint()}`;
  await admin.query(`CREATE DATABASE ${database}`);
  onTestFinished(async () => {
    await admin.query(`DROP DATABASE ${database} WITH (FORCE)`);
    await admin.end();
  });
  process.env['REFILL_TEST_LEDGER_PASSWORD'] = password;
  return {
    ...config,
    ledger: { host, port, user, password: 'env:REFILL_TEST_LEDGER_PASSWORD', tls: 'disable', database },
  };
}

const SEEDS = [1, 2, 3, 4] as const;

describe('kill -9 of a server during a run', () => {
  test.each(SEEDS.flatMap((seed) => [['purge', seed] as const, ['replace', seed] as const]))(
    '%s, ClickHouse, seed %i: the run waits and goes on by itself',
    async (strategy, seed) => {
      const { t } = await filled();
      const { id } = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
      const { restarted } = killAt(seed, 'clickhouse');
      const { result } = await ended(t.refill.run(id));
      await restarted();
      expect(result.error).toBeUndefined();
      expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
      await expectClean(t);
    },
  );

  test.each(SEEDS.flatMap((seed) => [['purge', seed + 10] as const, ['replace', seed + 10] as const]))(
    '%s, Postgres, with the ledger elsewhere, seed %i: the run waits and goes on by itself',
    async (strategy, seed) => {
      const { t } = await filled(ledgerElsewhere);
      const { id } = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
      const { restarted } = killAt(seed, 'postgres');
      const { result } = await ended(t.refill.run(id));
      await restarted();
      expect(result.error).toBeUndefined();
      expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
      await expectClean(await reconnected(t));
    },
  );

  test.each(['attempt-kept', 'table-inserted'] as const)(
    'Postgres, with the ledger elsewhere, between two statements of a window (%s): the same',
    async (at) => {
      const { t } = await filled(ledgerElsewhere);
      const { id } = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'replace' });
      let restart: Promise<void> | undefined;
      onDebugPoint(async (point) => {
        if (point !== at || restart) return;
        restart = killServer('postgres');
        // Long enough to hear of it: the next statement is made on a connection that is known to be dead.
        await sleep(200);
      });
      const { result } = await ended(t.refill.run(id));
      await restart;
      expect(result.error).toBeUndefined();
      expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
      await expectClean(await reconnected(t));
    },
  );

  test.each([
    ['purge', 21],
    ['replace', 22],
    ['replace', 23],
  ] as const)('%s, Postgres with the ledger, seed %i: the run stops, and resume ends it', async (strategy, seed) => {
    const { t } = await filled();
    const { id } = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    const { restarted } = killAt(seed, 'postgres');
    expect(await thrown(() => ended(t.refill.run(id)))).toMatchObject({ code: 'LEDGER_UNREACHABLE', exit: 4 });
    await restarted();
    const { result } = await ended(t.refill.resume());
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(await reconnected(t));
  });
});

describe('a ledger that is away', () => {
  test('at the start: LEDGER_UNREACHABLE, exit 4, and nothing was written', async () => {
    const { t, config } = await filled();
    const { id } = await t.refill.plan({ tenant: t.name, range: RANGE });
    const before = await Promise.all([checksum(t, 'scorecard', '1'), checksum(t, 'score', '1')]);
    const file = await configFile({ ...config, ledger: { ...config.ledger, port: await freePort() } });
    const { status, stdout, stderr } = await (await start(['run', id, '--execute', '--json', '--config', file])).end;
    expect({ status, stderr }).toMatchObject({ status: 4, stderr: expect.stringContaining('LEDGER_UNREACHABLE') });
    expect(JSON.parse(stdout)).toMatchObject({ type: 'error', code: 'LEDGER_UNREACHABLE' });
    expect(await Promise.all([checksum(t, 'scorecard', '1'), checksum(t, 'score', '1')])).toEqual(before);
    const sent = `SELECT 1 FROM system.mutations WHERE database = '${t.database}'`;
    expect(await t.select(sent)).toEqual([]);
  });

  test.each([
    ['purge', 'mutation-sent'],
    ['purge', 'table-inserted'],
    ['replace', 'window-inserted'],
    ['replace', 'mutations-kept'],
  ] as const)('%s, from %s on: the run stops, and resume ends it when it is back', async (strategy, at) => {
    let way: Proxy | undefined;
    const { t } = await filled(async (config) => {
      way = await Proxy.to(config.ledger.port);
      return { ...config, ledger: { ...config.ledger, port: way.port } };
    });
    const { id } = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    onDebugPoint((point) => {
      if (point === at) way?.goAway();
    });
    expect(await thrown(() => ended(t.refill.run(id)))).toMatchObject({ code: 'LEDGER_UNREACHABLE', exit: 4 });
    onDebugPoint(undefined);
    // Still away: nothing begins.
    expect(await thrown(() => ended(t.refill.resume()))).toMatchObject({ code: 'LEDGER_UNREACHABLE' });
    way?.comeBack();
    const { result } = await ended(t.refill.resume());
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
  });
});
