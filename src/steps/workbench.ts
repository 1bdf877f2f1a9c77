import { createHash } from 'node:crypto';
import { datasetInvalid, type Misfit, problem } from '../dataset/columns.ts';
import { type CompiledTable, compileTable } from '../dataset/compile.ts';
import type { DatasetDefinition, TableDefinition } from '../dataset/definition.ts';
import type { DependentAnswers } from '../domain/dependents.ts';
import type { DeleteChoice } from '../domain/delete-kind.ts';
import { RefillError } from '../domain/errors.ts';
import type { Tenant, UnprovenColumn } from '../domain/words.ts';
import type { SourceAddress } from '../source/postgres.ts';
import { describeTable, from, ofTenant, type TargetTable } from '../target/tables.ts';
import type { Cluster } from './connect.ts';
import type { Target } from '../target/clickhouse.ts';
import type { Reach } from '../target/reach.ts';
import type { Topology } from '../target/topology.ts';
import type { PacedReindexer } from './units.ts';

/** A table of a tenant, ready to be read and written on both sides. */
export interface BenchTable extends CompiledTable {
  readonly target: TargetTable;
}

/** One tenant and dataset with everything that a step needs of both sides. */
export interface Workbench {
  readonly topology: Topology;
  readonly reach: Reach;
  readonly tenant: Tenant;
  readonly dataset: DatasetDefinition;
  readonly source: SourceAddress;
  readonly target: Target;
  readonly tables: readonly BenchTable[];
  /** How rows are deleted, where the configuration says it. */
  readonly deletes: DeleteChoice;
  /** What the configuration says about dependents. */
  readonly dependents: DependentAnswers;
  /** What derives the rows in place of Refill; null where Refill does. */
  readonly reindexer: PacedReindexer | null;
  /** Optional tables of the dataset that are left out, as the tenant has them empty. */
  readonly leftOut: readonly string[];
}

/**
 * Opens a tenant.
 *
 * @param names Tables to work on. Without them: all of the dataset, the optional ones only where the tenant has rows in them.
 * @throws RefillError `TABLE_UNKNOWN`, `CH_TABLE_MISSING`, `DATASET_INVALID`, and what the server says.
 */
export async function openWorkbench(
  cluster: Cluster,
  tenant: Tenant,
  dataset: DatasetDefinition,
  names?: readonly string[],
): Promise<Workbench> {
  const unknown = names?.filter((name) => !dataset.tables.some((t) => t.name === name)) ?? [];
  if (unknown.length > 0 || names?.length === 0) {
    throw new RefillError(
      'TABLE_UNKNOWN',
      `dataset ${dataset.name} has no table ${unknown.join(', ')}; it has ${dataset.tables.map((t) => t.name).join(', ')}`,
    );
  }
  const { target } = cluster;
  const { topology, reach } = await cluster.layout();
  const tables: BenchTable[] = [];
  const leftOut: string[] = [];
  const misfits: Misfit[] = [];
  for (const definition of dataset.tables) {
    if (names && !names.includes(definition.name)) continue;
    const described = await describeTable(target, topology, tenant.targetDatabase, definition.name);
    if (!names && definition.optional && (!described || (await isEmpty(target, described, definition, tenant)))) {
      leftOut.push(definition.name);
      continue;
    }
    const fitting = fit(definition, described, tenant);
    if ('problems' in fitting) misfits.push(fitting);
    else tables.push(fitting);
  }
  const missing = misfits.flatMap(({ table, problems }) => (problems.length === 0 ? [table] : []));
  const wrong = misfits.filter(({ problems }) => problems.length > 0);
  if (wrong.length > 0)
    throw datasetInvalid([
      ...wrong,
      ...missing.map((table) => ({
        table,
        side: 'target' as const,
        problems: [problem(null, 'there is no such table')],
      })),
    ]);
  if (missing.length > 0)
    throw new RefillError(
      'CH_TABLE_MISSING',
      `there is no table ${missing.map((name) => `${tenant.targetDatabase}.${name}`).join(', ')}`,
    );
  return {
    topology,
    reach,
    tenant,
    dataset,
    source: cluster.source(tenant.sourceDatabase),
    target,
    tables,
    deletes: cluster.config.clickhouse.deletes ?? 'auto',
    dependents: cluster.config.dependents ?? {},
    reindexer: cluster.reindexer(dataset.name),
    leftOut,
  };
}

/** A table that the dataset fits, or what does not; nothing in particular where there is no table. */
function fit(definition: TableDefinition, target: TargetTable | null, tenant: Tenant): BenchTable | Misfit {
  const misfit = { table: definition.name, side: 'target' } as const;
  if (!target) return { ...misfit, problems: [] };
  if (!target.engine.endsWith('MergeTree'))
    return {
      ...misfit,
      problems: [
        problem(
          null,
          `${tenant.targetDatabase}.${definition.name} is a ${target.engine}; rows can be deleted from a MergeTree only`,
        ),
      ],
    };
  const compiled = compileTable(definition, target.columns);
  return 'problems' in compiled ? compiled : { ...compiled, target };
}

async function isEmpty(
  target: Target,
  table: TargetTable,
  definition: TableDefinition,
  tenant: Tenant,
): Promise<boolean> {
  const conditions = ofTenant(definition, tenant);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  return (await target.rows(`SELECT 1 AS one ${from(table, false)} ${where} LIMIT 1`)).length === 0;
}

/** The target columns of all tables that are neither derived nor proven. */
export const unprovenOf = (bench: Workbench): UnprovenColumn[] => bench.tables.flatMap((table) => table.unproven);

/** A table of the workbench by name. */
export function benchTable(bench: Workbench, name: string): BenchTable {
  const table = bench.tables.find((t) => t.definition.name === name);
  if (!table) throw new RefillError('BUG', `table ${name} is not on the workbench`);
  return table;
}

/**
 * The fingerprint of the environment that a plan is made for: the Postgres server and database, the target tables and
 * their structure, and the dataset. Addresses are not in it: a port-forward may have another port tomorrow.
 */
export function fingerprint(bench: Workbench, sourceIdentity: string): string {
  const tables = bench.tables.map(({ target }) => [
    target.database,
    target.name,
    target.uuid,
    target.engine,
    target.partitionKey,
    target.sortingKey,
    [...target.columns].map(([name, { type, kind, expression }]) => [name, type, kind, expression]),
  ]);
  const { customer, profile, sourceDatabase, targetDatabase } = bench.tenant;
  const identity = JSON.stringify([
    customer,
    profile,
    sourceDatabase,
    targetDatabase,
    sourceIdentity,
    tables,
    bench.dataset,
    ...(bench.reindexer ? [bench.reindexer.reindexer.plan] : []),
  ]);
  return createHash('sha256').update(identity).digest('hex');
}
