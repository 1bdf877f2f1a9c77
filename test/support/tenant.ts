import { createHash } from 'node:crypto';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { Client, escapeIdentifier } from 'pg';
import { expect, inject, onTestFinished } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';
import { scorecards } from '../../src/dataset/scorecards.ts';
import type { DatasetDefinition } from '../../src/dataset/definition.ts';
import type { DeleteChoice } from '../../src/domain/delete-kind.ts';
import { DEFAULT_HEALTH_LIMITS, type HealthLimits } from '../../src/domain/indicators.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/domain/limits.ts';
import { databaseName, type TenantName } from '../../src/domain/words.ts';
import type { EmbeddedInfo } from '../../src/embedded/info.ts';
import { clickhouseSchemaSql, postgresSchemaSql } from '../../src/embedded/sample/schema.ts';
import type { Refill } from '../../src/refill.ts';
import { openRefill } from './executor.ts';

/** A tenant of one test: a database on each side, named after the test, and a ledger of its own. */
export interface TestTenant {
  readonly name: TenantName;
  readonly database: string;
  readonly config: RefillConfig;
  readonly refill: Refill;
  readonly pg: Client;
  /** To write and read as an application does: through `at(table)`, and on all replicas at once. */
  readonly ch: ClickHouseClient;
  /** What an application calls a table: its Distributed one where there are several servers. */
  at(table: string): string;
  /** Rows of a ClickHouse SELECT, in the tenant's database. */
  select<Row>(sql: string): Promise<Row[]>;
  command(sql: string): Promise<void>;
}

export interface TestTenantOptions {
  readonly customer?: string;
  readonly profile?: string;
  readonly dataset?: DatasetDefinition;
  readonly limits?: Partial<Limits>;
  /** How rows are deleted. Default: as the product chooses. */
  readonly deletes?: DeleteChoice;
  readonly health?: Partial<HealthLimits>;
  /** Statements that make the source's tables; default the scorecards schema. */
  readonly sourceSchema?: string;
  /** Statements that make the target's tables, with the database's name in each. */
  readonly targetSchema?: (database: string) => readonly string[];
  readonly stack?: EmbeddedInfo;
  /** The user of ClickHouse that Refill has; the test itself is `default`. */
  readonly targetUser?: { readonly name: string; readonly password: string };
  /** A replicated cluster for the target, in place of the stack's engine; `urls` are the addresses that Refill is given. */
  readonly servers?: { readonly cluster: string; readonly urls: readonly string[] };
  /** Takes what ends the tenant, where several tests share it. Default: it ends with the running test. */
  readonly onEnd?: (end: () => Promise<void>) => void;
}

/** A run looks once a second whether somebody wants it to stop. */
export const NOTICED_MS = 1500;

/** Waits are short in tests: nobody else writes, unless the test does. */
const TEST_LIMITS: Limits = {
  ...DEFAULT_LIMITS,
  clockMarginSeconds: 0.05,
  graceSeconds: 0.05,
  mutationPollSeconds: 0.5,
  outageMinutes: 0.2,
};

/** Makes databases for the running test; they are dropped when it ends, unless it failed. */
export async function createTenant(options: TestTenantOptions = {}): Promise<TestTenant> {
  const stack = options.stack ?? inject('stack');
  const { testPath, currentTestName } = expect.getState();
  const unique = createHash('sha256')
    .update(`${testPath} ${currentTestName} ${process.hrtime.bigint()}`)
    .digest('hex')
    .slice(0, 8);
  const name = { customer: options.customer ?? `acme-${unique}`, profile: options.profile ?? 'test' };
  const database = databaseName(name);
  const ledgerDatabase = `ledger_${unique}`;
  const { host, port, user, password } = stack.postgres;

  const asAdmin = async (...statements: readonly string[]) => {
    const admin = new Client({ host, port, user, password, database: 'postgres' });
    await admin.connect();
    for (const statement of statements) await admin.query(statement);
    await admin.end();
  };
  const databases = [database, ledgerDatabase].map((db) => escapeIdentifier(db));
  await asAdmin(...databases.map((db) => `CREATE DATABASE ${db}`));
  const source = new Client({ host, port, user, password, database });
  // A test may kill the server: that ends the connection, and not the tests.
  source.on('error', () => undefined);
  await source.connect();
  await source.query(options.sourceSchema ?? postgresSchemaSql());

  const { targetSchema, servers } = options;
  const urls = servers?.urls ?? [stack.clickhouse.http];
  const cluster = servers?.cluster ?? 'conversations';
  const maker = createClient({ url: urls[0] ?? '' });
  const schema = targetSchema
    ? [`CREATE DATABASE \`${database}\``, ...targetSchema(database)]
    : clickhouseSchemaSql({ database, cluster, replicated: servers !== undefined });
  for (const query of schema) await maker.command({ query });
  await maker.close();
  const ch = createClient({
    url: urls[0] ?? '',
    database,
    clickhouse_settings: {
      // A test that deletes wants the rows to be gone afterwards.
      mutations_sync: servers ? '2' : '1',
      ...(servers
        ? { distributed_foreground_insert: 1, insert_quorum: '2', insert_deduplicate: 0, use_hedged_requests: 0 }
        : {}),
    },
  });

  process.env['REFILL_TEST_PASSWORD'] = password;
  const { targetUser } = options;
  if (targetUser) process.env['REFILL_TEST_TARGET_PASSWORD'] = targetUser.password;
  const postgres = { host, port, user, password: 'env:REFILL_TEST_PASSWORD', tls: 'disable' } as const;
  const config: RefillConfig = {
    ledger: { ...postgres, database: ledgerDatabase },
    clusters: {
      test: {
        postgres,
        clickhouse: {
          urls,
          user: targetUser?.name ?? 'default',
          ...(targetUser ? { password: 'env:REFILL_TEST_TARGET_PASSWORD' } : {}),
          cluster,
          compress: 'auto',
          ...(options.deletes ? { deletes: options.deletes } : {}),
        },
        tenants: [{ ...name, database }],
      },
    },
    datasets: [options.dataset ?? scorecards],
    limits: { ...TEST_LIMITS, ...options.limits },
    health: { ...DEFAULT_HEALTH_LIMITS, ...options.health },
  };
  const refill = openRefill(config);
  const end = async (passed: boolean) => {
    await refill.close();
    if (!passed) await tellOfTarget(ch, database);
    await source.end().catch(() => undefined);
    if (passed) {
      await asAdmin(...databases.map((db) => `DROP DATABASE ${db} WITH (FORCE)`));
      await ch.command({ query: `DROP DATABASE \`${database}\`${servers ? ` ON CLUSTER ${cluster}` : ''} SYNC` });
    }
    await ch.close();
  };
  if (options.onEnd) options.onEnd(() => end(true));
  else onTestFinished(({ task }) => end(task.result?.state === 'pass'));
  return {
    name,
    database,
    config,
    refill,
    pg: source,
    ch,
    at: (table) => (servers ? `${table}_d` : table),
    select: async <Row>(sql: string) => (await ch.query({ query: sql, format: 'JSONEachRow' })).json<Row>(),
    command: async (sql) => {
      await ch.command({ query: sql });
    },
  };
}

/** What a test that failed has left in the target: its databases go with the stack where nobody is there to look. */
async function tellOfTarget(ch: ClickHouseClient, database: string): Promise<void> {
  const asked = [
    `SELECT table, mutation_id, command, create_time, block_numbers.number AS numbers, parts_to_do_names, is_done, is_killed,
       latest_fail_reason FROM system.mutations WHERE database = '${database}' ORDER BY table, create_time`,
    `SELECT table, name, data_version, active, rows, modification_time FROM system.parts
     WHERE database = '${database}' ORDER BY table, name`,
  ];
  for (const query of asked) {
    const told = await ch.query({ query, format: 'JSONEachRow' }).then(
      (found) => found.text(),
      (error: unknown) => String(error),
    );
    console.error(told);
  }
}
