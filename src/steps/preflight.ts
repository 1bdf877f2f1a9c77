import { isAccepted } from '../dataset/codec.ts';
import { datasetInvalid, type Misfit, problem } from '../dataset/columns.ts';
import { countStatement, readStatement, sourceTypes, typesStatement } from '../dataset/compile.ts';
import { keyLists } from '../dataset/key.ts';
import { bind } from '../dataset/sql.ts';
import { RefillError } from '../domain/errors.ts';
import type { Finding } from '../domain/events.ts';
import type { Warning } from '../domain/plan.ts';
import { DAY_MS, ms } from '../domain/windows.ts';
import type { Range } from '../domain/words.ts';
import { type Source, withSource } from '../source/postgres.ts';
import { partitionSpan } from '../target/tables.ts';
import { checkHidden } from './check-hidden.ts';
import { checkSession } from './check-session.ts';
import { checkSource } from './check-source.ts';
import { checkTopology, CLOCK_WARNING_SECONDS } from './check-topology.ts';
import { hasRight } from './rights.ts';
import { tryInsert } from './try-insert.ts';
import type { Workbench } from './workbench.ts';

/** Which server a source database is on: it stays the same behind every address of it. */
export async function sourceIdentity(source: Source): Promise<string> {
  const [row] = await source.query<{ id: string }>(
    `SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) AS id`,
  );
  return row?.id ?? '';
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Schema?: string;
  readonly Plans?: readonly PlanNode[];
}

function* nodes(plan: PlanNode): Generator<PlanNode> {
  yield plan;
  for (const child of plan.Plans ?? []) yield* nodes(child);
}

/**
 * Checks that Postgres can run every statement that a run will need, for after its deletes it would be too late
 * (`PG_QUERY`, `PG_DENIED` otherwise), and that the types of what it reads are those that the dataset says
 * (`DATASET_INVALID`). No row is read.
 */
async function checkStatements(bench: Workbench, source: Source): Promise<void> {
  const { tenant } = bench;
  const scope = { tenant, range: { from: '2000-01-01T00:00:00.000Z', to: '2000-01-02T00:00:00.000Z' } };
  const misfits: Misfit[] = [];
  for (const table of bench.tables) {
    const types = await source.types(typesStatement(table, scope));
    const problems = sourceTypes(table).flatMap((expression, index) => {
      const type = types[index] ?? '';
      if (isAccepted(expression, type)) return [];
      const { column, kind, accepts } = expression;
      const takes = accepts?.join(', ').replace('_*', 'any array');
      return [problem(column, `${kind} takes ${takes}, and the expression is ${type}`)];
    });
    if (problems.length > 0) misfits.push({ table: table.definition.name, side: 'source', problems });
  }
  if (misfits.length > 0) throw datasetInvalid(misfits);
  for (const table of bench.tables) {
    const { definition } = table;
    for (const statement of [
      countStatement(table, scope),
      readStatement(table, scope, true),
      readStatement(table, { tenant, keys: keyLists(table.key, []) }),
    ])
      await source.query(`EXPLAIN ${statement}`);
    for (const untimed of definition.untimed ?? []) await source.query(`EXPLAIN ${bind(untimed.select, { tenant })}`);
  }
}

/** Refuses a range whose ends the target's times cannot tell from others, as `RANGE_INVALID`. */
export function checkRange(bench: Workbench, range: Range): void {
  for (const { definition, timeTickMs } of bench.tables) {
    if (timeTickMs <= 1 || (ms(range.from) % timeTickMs === 0 && ms(range.to) % timeTickMs === 0)) continue;
    throw new RefillError(
      'RANGE_INVALID',
      `${definition.time} of ${definition.name} counts ${unitOf(timeTickMs)}, and the range does not begin and end with one`,
    );
  }
}

function unitOf(tickMs: number): string {
  if (tickMs === DAY_MS) return 'days';
  return tickMs === 1000 ? 'seconds' : `${tickMs} ms`;
}

/** Warns once of each big source table that reading a window would scan whole, whichever target tables read it. */
export async function checkSourceQueries(bench: Workbench, window: Range): Promise<Warning[]> {
  return withSource(bench.source, async (source) => {
    const readers = new Map<string, string[]>();
    for (const table of bench.tables) {
      const { name, source: definition } = table.definition;
      for (const scanned of await scannedTables(source, readStatement(table, { tenant: bench.tenant, range: window })))
        if (definition.big?.includes(scanned)) readers.set(scanned, [...(readers.get(scanned) ?? []), name]);
    }
    return Promise.all(
      [...readers].map(async ([scanned, tables]): Promise<Warning> => {
        const [size] = await source.query<{ rows: string; mb: string }>(
          `SELECT greatest(reltuples, 0)::bigint AS rows, (pg_table_size(oid) / 1048576)::bigint AS mb FROM pg_class WHERE oid = to_regclass($1)`,
          [scanned],
        );
        return {
          code: 'SOURCE_SCAN',
          table: scanned,
          message: `reading a window of ${tables.join(', ')} scans ${scanned} whole (about ${Number(size?.rows).toLocaleString('en')} rows, ${size?.mb} MB): the window holds much of it, or an index is missing`,
        };
      }),
    );
  });
}

/** The tables that a statement reads whole, as `schema.table`, each once. */
async function scannedTables(source: Source, statement: string): Promise<ReadonlySet<string>> {
  const [row] = await source.query<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>(
    `EXPLAIN (FORMAT JSON, VERBOSE) ${statement}`,
  );
  const plan = row?.['QUERY PLAN'][0]?.Plan;
  const scans = plan ? [...nodes(plan)].filter((n) => n['Node Type'] === 'Seq Scan') : [];
  return new Set(scans.map((n) => `${n.Schema}.${n['Relation Name']}`));
}

/** Seconds by which ClickHouse's clock is ahead of Postgres', and by how much that may be wrong. */
export async function clockSkew(bench: Workbench): Promise<{ readonly seconds: number; readonly error: number }> {
  return withSource(bench.source, async (source) => {
    const ask = async () => {
      const before = Date.now();
      const [pg] = await source.query<{ ms: string }>(
        `SELECT (extract(epoch from clock_timestamp()) * 1000)::bigint AS ms`,
      );
      const [ch] = await bench.target.rows<{ ms: string }>(`SELECT toString(toUnixTimestamp64Milli(now64(3))) AS ms`);
      return { skew: (Number(ch?.ms) - Number(pg?.ms)) / 1000, error: (Date.now() - before) / 1000 };
    };
    const looks = [await ask(), await ask(), await ask()].sort((a, b) => a.error - b.error);
    return { seconds: looks[0]?.skew ?? 0, error: looks[0]?.error ?? 0 };
  });
}

/**
 * Everything that must be right before rows are deleted, as findings: `doctor` prints them, a run refuses errors. What
 * keeps the dataset from being used at all is thrown.
 */
export async function preflight(bench: Workbench): Promise<Finding[]> {
  const { tenant } = bench;
  await withSource(bench.source, (source) => checkStatements(bench, source));
  const findings: Finding[] = [];
  const subject = (table: string) => `${tenant.targetDatabase}.${table}`;
  const add = (level: Finding['level'], check: string, about: string, message: string, remedy: string | null = null) =>
    findings.push({ check, level, subject: about, message, remedy });

  findings.push(...(await checkSession(bench)));
  for (const table of bench.tables) {
    const { definition } = table;
    const { name } = definition;
    for (const right of ['SELECT', 'INSERT', 'ALTER DELETE']) {
      const allowed = await hasRight(bench, right, name);
      if (allowed === true) continue;
      if (allowed === null) {
        add('warning', 'rights', subject(name), `the server cannot say whether the user may ${right}`);
        continue;
      }
      add(
        'error',
        'rights',
        subject(name),
        `the user has no right to ${right}`,
        `GRANT ${right} ON ${subject(name)} TO the user of the configuration`,
      );
    }
    findings.push(...(await checkHidden(bench, table)));
    if (table.versionPrecision === null) {
      add(
        'warning',
        'version column',
        subject(name),
        'it has no version column of at least milliseconds',
        'only `purge` can be used; readers miss rows meanwhile',
      );
    }
    if (!/Replacing/u.test(table.target.engine)) {
      add(
        'warning',
        'engine',
        subject(name),
        `${table.target.engine} does not collapse rows of the same key`,
        'a row that is written twice stays twice',
      );
    }
    if (partitionSpan(table.target, definition.time) === 'none') {
      add(
        'warning',
        'partitions',
        subject(name),
        `its partitions (${table.target.partitionKey || 'none'}) do not follow ${definition.time}`,
        'every delete rewrites parts of all times',
      );
    }
  }
  findings.push(...(await checkSource(bench)), ...(await checkTopology(bench)));
  // What is a finding already needs no second one.
  if (!findings.some(({ level }) => level === 'error'))
    for (const table of bench.tables) {
      const refused = await tryInsert(bench, table);
      if (refused) findings.push(refused);
    }
  const skew = await clockSkew(bench);
  if (Math.abs(skew.seconds) - skew.error > CLOCK_WARNING_SECONDS) {
    add(
      'warning',
      'clocks',
      tenant.cluster,
      `ClickHouse's clock is ${skew.seconds.toFixed(1)} s ahead of Postgres'`,
      'correct the clocks; until then raise limits.clockMarginSeconds above it',
    );
  }
  return findings;
}

/** Refuses a plan or a run where a check found an error; returns what else was found. */
export async function refuseErrors(bench: Workbench): Promise<readonly Finding[]> {
  const findings = await preflight(bench);
  const errors = findings.filter((f) => f.level === 'error');
  const [first] = errors;
  if (!first) return findings;
  throw new RefillError(first.code ?? 'PREFLIGHT_FAILED', errors.map((f) => `${f.subject}: ${f.message}`).join('; '), {
    hint: first.remedy ?? 'See `refill doctor`.',
    details: { findings: errors },
  });
}
