import { insertStatement, readStatement, versionLiteral } from '../dataset/compile.ts';
import { identifier } from '../dataset/sql.ts';
import { RefillError } from '../domain/errors.ts';
import type { Finding } from '../domain/events.ts';
import { bypassedTables, type DependentAnswers } from '../domain/dependents.ts';
import type { Limits } from '../domain/limits.ts';
import type { Plan, TableCount, Warning } from '../domain/plan.ts';
import { cutWindows, type CutWindow, joinEmpty, ms, type PartitionSpan } from '../domain/windows.ts';
import { formatTenant, type Only, type Range, type Strategy } from '../domain/words.ts';
import { dataTime, withSource } from '../source/postgres.ts';
import { from, inRange, into, localName, ofTenant, partitionSpan } from '../target/tables.ts';
import { refuseSampledDisagreement } from './agreement.ts';
import { refuseExpired } from './expired.ts';
import { planDependents, refuseNewDependents } from './dependents.ts';
import { refuseUnsuited } from './lightweight.ts';
import { refuseMoved } from './moved.ts';
import { refuseResets } from './resets.ts';
import { planDeletes } from './plan-deletes.ts';
import { checkRange, checkSourceQueries, sourceIdentity } from './preflight.ts';
import { rowsIn, survey, type SurveyCounts } from './survey.ts';
import { refuseRepeatedInHour } from './unique-keys.ts';
import { type BenchTable, fingerprint, unprovenOf, type Workbench } from './workbench.ts';

export interface PlanOptions {
  readonly id: string;
  readonly createdBy: string;
  readonly range: Range;
  readonly strategy: Strategy | undefined;
  readonly limits: Limits;
  /** Rows a second that were measured on this cluster; null where nothing was. */
  readonly rate: number | null;
  readonly findings: readonly Finding[];
  /** What the plan is confined to; the workbench is, already. */
  readonly only?: Only | undefined;
  /** What to do about dependents, before what the configuration says. Default: nothing more. */
  readonly dependents?: DependentAnswers | undefined;
  /** Whether those are for several tenants, of which not each has all of them. Default false. */
  readonly ofFleet?: boolean | undefined;
  /** Warnings from before. */
  readonly warnings?: readonly Warning[];
}

/** A window never aims at more than this many times `limits.windowRows`, however fast it went before. */
const LARGEST_WINDOW = 4;

/** Makes a plan: counts both sides, cuts windows and deletes, and says what could surprise. Nothing is written. */
export async function makePlan(bench: Workbench, options: PlanOptions): Promise<Plan> {
  const { range, limits, rate } = options;
  checkRange(bench, range);
  const strategy = chooseStrategy(bench, options.strategy);
  const { dependents, warnings: aboutDependents } = await planDependents(
    bench,
    range,
    options.dependents ?? {},
    options.ofFleet === true,
  );
  const resets = await refuseResets(bench, range);
  const counts = await survey(bench, range);
  await refuseExpired(bench, range, (table) => firstRow(counts, range, table));
  const span = spanOf(bench);
  const aim =
    rate === null
      ? limits.windowRows
      : Math.min(
          Math.max((rate / limits.windows) * limits.windowSeconds, limits.windowRows / 2),
          limits.windowRows * LARGEST_WINDOW,
        );
  const windows = joinEmpty(cutWindows(range, counts.sourceHours, aim, span), ({ from, to }) =>
    [...counts.targetHours.values()].every((hours) => rowsIn(hours, ms(from), ms(to)) === 0),
  );
  // Rows of others' workflows carry versions of their own, which one window's epoch tells apart: each is deleted by itself.
  const deleteLimits = bench.reindexer ? { deleteRows: -1, deleteBytes: Infinity } : limits;
  await refuseRepeatedInHour(bench, counts.sourceHours);
  await refuseMoved(bench, windows, { range, limits });
  const deletes = await planDeletes(bench, { strategy, counts, windows, limits: deleteLimits, span });
  const bypassed = bypassedTables(dependents);
  const rowsToWrite = counts.tables.reduce((n, t) => n + t.source, 0);
  return {
    id: options.id,
    createdAt: new Date().toISOString(),
    createdBy: options.createdBy,
    tenant: bench.tenant,
    dataset: bench.dataset.name,
    strategy,
    range,
    ...(options.only === undefined ? {} : { only: options.only }),
    tables: bench.tables.map((t) => t.definition.name),
    fingerprint: await fingerprintOf(bench),
    limits,
    counts: counts.tables,
    days: counts.days,
    deletes: deletes.planned,
    windows: windows.map((w, index) => ({
      id: index + 1,
      delete: deletes.ofWindow[index] ?? 1,
      from: w.from,
      to: w.to,
      sourceRows: w.rows,
    })),
    cost: {
      rowsToDelete: deletes.planned.reduce((n, d) => n + d.tables.reduce((m, t) => m + t.rows, 0), 0),
      rowsToWrite,
      rowsToRewrite: deletes.rewritten.rows,
      bytesToRewrite: deletes.rewritten.bytes,
      seconds: rate === null || rate === 0 ? null : Math.round(rowsToWrite / rate),
      rowsPerSecond: rate,
    },
    ...(bench.reindexer ? { reindexer: bench.reindexer.reindexer.plan } : {}),
    warnings: [
      ...(await warningsOf(bench, strategy, options, counts.tables, windows, aim)),
      ...deletes.warnings,
      ...aboutDependents,
      ...resets,
    ],
    dependents,
    unproven: unprovenOf(bench),
    sql: Object.fromEntries(
      bench.tables.map((table) => [
        table.definition.name,
        {
          read: `COPY (${readStatement(table, { tenant: bench.tenant, range })}) TO STDOUT`,
          write: writeSql(bench, table, bypassed.has(table.definition.name)),
        },
      ]),
    ),
  };
}

/** The earliest instant, by the day, at which the source has rows of a table; null where it has none. */
function firstRow({ days }: SurveyCounts, range: Range, table: string): string | null {
  const [first] = days.flatMap((d) => (d.table === table && d.source > 0 ? [`${d.day}T00:00:00.000Z`] : [])).sort();
  if (first === undefined) return null;
  return first > range.from ? first : range.from;
}

/** What writes a window's rows, as a plan shows it. */
function writeSql(bench: Workbench, table: BenchTable, past: boolean): string {
  const { tenant } = bench;
  const version = ':snapshot';
  if (!past) return insertStatement(table, { into: into(table), tenant, version });
  const { database, name } = table.target;
  const staging = localName({ database, name: `refill_staging_:run_w:window_a:attempt_${name}` });
  return [
    `CREATE TABLE ${staging} AS ${localName(table.target)}`,
    insertStatement(table, { into: staging, tenant, version }),
    `ALTER TABLE ${localName(table.target)} ATTACH PARTITION ID ':partition' FROM ${staging}`,
    `DROP TABLE ${staging} SYNC`,
  ].join(';\n');
}

/** The fingerprint of where a workbench is now. */
export async function fingerprintOf(bench: Workbench): Promise<string> {
  return fingerprint(bench, await withSource(bench.source, sourceIdentity));
}

function chooseStrategy(bench: Workbench, wanted: Strategy | undefined): Strategy {
  const unversioned = bench.tables.filter((t) => t.versionPrecision === null).map((t) => t.definition.name);
  if (wanted === 'replace' && unversioned.length > 0) {
    throw new RefillError(
      'STRATEGY_UNSUITED',
      `replace tells old rows by their version, and ${unversioned.join(', ')} has no version column of at least milliseconds`,
    );
  }
  return wanted ?? (unversioned.length > 0 ? 'purge' : 'replace');
}

/** The finest of the tables' partitions: windows must not cross those of any. */
function spanOf(bench: Workbench): PartitionSpan {
  const spans = bench.tables.map((t) => partitionSpan(t.target, t.definition.time));
  return spans.includes('day') ? 'day' : spans.includes('month') ? 'month' : 'none';
}

/** The window that reads most, for which an index may not pay. */
function largestOf(windows: readonly CutWindow[], range: Range): Range {
  const [first, ...others] = windows;
  return first ? others.reduce((largest, w) => (w.rows > largest.rows ? w : largest), first) : range;
}

async function warningsOf(
  bench: Workbench,
  strategy: Strategy,
  options: PlanOptions,
  counts: readonly TableCount[],
  windows: readonly CutWindow[],
  aim: number,
): Promise<Warning[]> {
  const largest = largestOf(windows, options.range);
  await refuseSampledDisagreement(bench, largest);
  const warnings: Warning[] = [
    ...(options.warnings ?? []),
    ...(await checkSourceQueries(bench, largest)),
    ...emptiedSource(counts),
    ...(await ownerWarnings(bench, counts)),
    ...(await futureVersions(bench, strategy, options.range)),
  ];
  const add = (code: Warning['code'], message: string) => warnings.push({ code, message });
  for (const t of bench.tables.filter((table) => table.versionPrecision === null)) {
    warnings.push({
      code: 'NO_VERSION_COLUMN',
      table: t.definition.name,
      message: `${t.definition.name} has no version column: only purge can be used, and a repeated insert stays`,
    });
  }
  if (strategy === 'purge')
    add(
      'READERS_MISS_ROWS',
      'readers miss rows of a delete’s range until its windows are written again; the source is read twice, first to show that its rows fit the target',
    );
  else
    add(
      'READERS_COUNT_TWICE',
      'between a window’s insert and its delete, readers without FINAL may count its rows twice',
    );
  for (const name of bench.leftOut)
    warnings.push({
      code: 'TABLE_LEFT_EMPTY',
      table: name,
      message: `${name} is empty for this tenant, and stays so; name it with --tables to fill it`,
    });
  const large = windows.filter((w) => w.rows > 2 * aim);
  if (large.length > 0)
    add(
      'WINDOW_TOO_LARGE',
      `${large.length} windows are single hours with more than twice the rows aimed at; the largest has ${Math.max(...large.map((w) => w.rows)).toLocaleString('en')}`,
    );
  if (options.range.to > new Date().toISOString())
    add('RANGE_NOT_OVER', 'the range ends in the future: rows will still arrive in it');
  for (const { check, level, message, remedy } of options.findings) {
    const code = WARNED[check];
    if (code && level !== 'ok') add(code, `${message}; ${remedy ?? ''}`);
  }
  return warnings;
}

/** Findings that a plan repeats, by their check. */
const WARNED: Readonly<Record<string, Warning['code']>> = {
  clocks: 'CLOCKS_APART',
  standby: 'STANDBY_BEHIND',
  'search path': 'SEARCH_PATH',
};

/** Under this share of the target's rows in the source, the source is rather at fault than the target. */
const EMPTIED_SHARE = 0.5;

/** A wrong server, half a restore and an emptied table look like a target in which everything is too much. */
function emptiedSource(counts: readonly TableCount[]): Warning[] {
  return counts
    .filter((c) => c.source < c.targetKeys * EMPTIED_SHARE)
    .map((c) => ({
      code: 'SOURCE_SMALLER',
      table: c.table,
      message: `the source has ${c.source.toLocaleString('en')} rows for ${c.table} and the target ${c.targetKeys.toLocaleString('en')}: the others would be deleted and not written again; is it the right source, and whole?`,
    }));
}

/** The owners of a table's rows other than the tenant; ten at most. */
async function otherOwners(bench: Workbench, table: BenchTable): Promise<readonly string[]> {
  const { owner } = table.definition;
  if (!owner) return [];
  const [customer, profile] = [identifier(owner.customer), identifier(owner.profile)];
  const owners = await bench.target.rows<{ refill_own_customer: string; refill_own_profile: string }>(
    `SELECT DISTINCT ${customer} AS refill_own_customer, ${profile} AS refill_own_profile ${from(table.target, false)}
     WHERE NOT (${ofTenant(table.definition, bench.tenant).join(' AND ')}) LIMIT 10`,
  );
  return owners.map((o) => formatTenant({ customer: o.refill_own_customer, profile: o.refill_own_profile }));
}

async function hasOwnRows(bench: Workbench, table: BenchTable): Promise<boolean> {
  if (!table.definition.owner) return false;
  const rows = await bench.target.rows(
    `SELECT 1 AS refill_own_one ${from(table.target, false)} WHERE ${ofTenant(table.definition, bench.tenant).join(' AND ')} LIMIT 1`,
  );
  return rows.length > 0;
}

async function ownerWarnings(bench: Workbench, counts: readonly TableCount[]): Promise<Warning[]> {
  const owners = new Set((await Promise.all(bench.tables.map((table) => otherOwners(bench, table)))).flat());
  if (owners.size === 0) return [];
  const names = [...owners].join(', ');
  const own =
    counts.some((c) => c.target > 0) ||
    (await Promise.all(bench.tables.map((table) => hasOwnRows(bench, table)))).includes(true);
  if (!own)
    throw new RefillError(
      'OWNER_UNCLEAR',
      `database ${bench.tenant.targetDatabase} holds rows of ${names} and none of ${formatTenant(bench.tenant)}`,
    );
  return [
    {
      code: 'OWNER_UNCLEAR',
      message: `database ${bench.tenant.targetDatabase} also holds rows of ${names}: they stay untouched, but two tenants share its name`,
    },
  ];
}

async function futureVersions(bench: Workbench, strategy: Strategy, range: Range): Promise<Warning[]> {
  if (strategy !== 'replace') return [];
  const warnings: Warning[] = [];
  const { time, standby } = await dataTime(bench.source);
  for (const table of bench.tables) {
    const { definition, target } = table;
    // What a standby gives is as old as what it has replayed.
    const newest = standby ? versionLiteral(table, time) : `now64(6, 'UTC') + INTERVAL 1 MINUTE`;
    const [row] = await bench.target.rows<{ refill_own_rows: string }>(
      `SELECT toString(count()) AS refill_own_rows ${from(target, false)}
       WHERE ${inRange(definition, bench.tenant, range)} AND ${identifier(definition.version ?? '')} > ${newest}`,
    );
    const rows = Number(row?.refill_own_rows ?? 0);
    if (rows === 0) continue;
    warnings.push({
      code: 'VERSION_IN_FUTURE',
      table: definition.name,
      message: standby
        ? `${rows.toLocaleString('en')} rows of ${definition.name} carry a version that is newer than the last commit that the standby has replayed (${time}): replace can neither beat nor delete them`
        : `${rows.toLocaleString('en')} rows of ${definition.name} carry a version in the future: replace can neither beat nor delete them, purge can`,
    });
  }
  return warnings;
}

/** Refuses a plan that was made elsewhere, or whose counts have drifted past its limit since. */
export async function checkPlan(bench: Workbench, plan: Plan, recount: boolean): Promise<void> {
  if ((await fingerprintOf(bench)) !== plan.fingerprint) {
    throw new RefillError(
      'PLAN_FOREIGN',
      `plan ${plan.id} was made for another environment: a server, a table's structure or the dataset is not the same`,
    );
  }
  await refuseUnsuited(bench, plan);
  await refuseNewDependents(bench, plan);
  if (!recount) return;
  await refuseResets(bench, plan.range);
  const now = await survey(bench, plan.range);
  const drifted = plan.counts.flatMap((then) => {
    const current = now.tables.find((t) => t.table === then.table);
    return (['source', 'target'] as const).flatMap((side) => {
      const [before, after] = [then[side], current?.[side] ?? 0];
      const apart = Math.abs(after - before);
      return apart > 1 && apart > before * plan.limits.countDrift ? [`${then.table} ${side} ${before} → ${after}`] : [];
    });
  });
  if (drifted.length > 0) {
    throw new RefillError(
      'PLAN_DRIFTED',
      `counts have drifted by more than ${plan.limits.countDrift * 100} % since plan ${plan.id}: ${drifted.join(', ')}`,
      { details: { drifted } },
    );
  }
}
