import type { TenantConfig } from '../config/config.ts';
import type { DatasetDefinition } from '../dataset/definition.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import { databaseName, formatTenant, type Tenant, type TenantName } from '../domain/words.ts';
import { withSource } from '../source/postgres.ts';
import type { Cluster } from './connect.ts';

/** Tenants that are listed by hand, with the databases that they name or imply. */
export function listed(cluster: Cluster, tenants: readonly TenantConfig[]): Tenant[] {
  return tenants.map((t) => ({
    cluster: cluster.name,
    customer: t.customer,
    profile: t.profile,
    sourceDatabase: t.sourceDatabase ?? t.database ?? databaseName(t),
    targetDatabase: t.targetDatabase ?? t.database ?? databaseName(t),
  }));
}

/** A tenant that the source knows. */
export interface SourceTenant extends Tenant {
  /** What is wrong with its database there; null where nothing is. */
  readonly sourceProblem: string | null;
}

/**
 * The tenants of a cluster's source. Postgres is asked whether they are listed or discovered: a server that does not
 * answer is an error, never a tenant.
 */
export async function askSource(cluster: Cluster, dataset: DatasetDefinition): Promise<SourceTenant[]> {
  const { tenants } = cluster.config;
  return tenants === 'discover' ? discovered(cluster, dataset) : confirmed(cluster, listed(cluster, tenants));
}

/** How many databases of listed tenants are tried before the server counts as away. */
const TRIED = 3;

/** Listed tenants, with those named whose database Postgres does not have. */
async function confirmed(cluster: Cluster, tenants: readonly Tenant[]): Promise<SourceTenant[]> {
  const wanted = [...new Set(tenants.map((t) => t.sourceDatabase))];
  const known = new Set(await databasesOf(cluster, [...wanted.slice(0, TRIED), 'postgres']));
  const missing = new Map<string, string>();
  for (const database of wanted) {
    // A pooler calls a database by a name of its own, which Postgres does not list: only connecting tells.
    const problem = known.has(database) ? null : await problemOfConnecting(cluster, database);
    if (problem !== null) missing.set(database, problem);
  }
  return tenants.map((t) => ({ ...t, sourceProblem: missing.get(t.sourceDatabase) ?? null }));
}

/** The names of a server's databases, asked in the first of some databases that is there. */
async function databasesOf(cluster: Cluster, candidates: readonly string[]): Promise<readonly string[]> {
  let missing: RefillError | undefined;
  for (const database of candidates) {
    try {
      return await withSource(cluster.source(database), async (source) => {
        const rows = await source.query<{ name: string }>(
          `SELECT datname AS name FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1`,
        );
        return rows.map((row) => row.name);
      });
    } catch (error) {
      if (!(error instanceof RefillError && error.code === 'PG_DATABASE_MISSING')) throw error;
      missing ??= error;
    }
  }
  throw missing ?? new RefillError('BUG', 'no database was named');
}

async function problemOfConnecting(cluster: Cluster, database: string): Promise<string | null> {
  try {
    await withSource(cluster.source(database), (source) => source.query('SELECT 1'));
    return null;
  } catch (error) {
    const { code, message } = asRefillError(error);
    return code === 'PG_DATABASE_MISSING' ? `Postgres has no database ${database}` : message;
  }
}

/** Every database is asked whose rows it holds; its name is no evidence. */
async function discovered(cluster: Cluster, dataset: DatasetDefinition): Promise<SourceTenant[]> {
  const databases = await withSource(cluster.source('postgres'), (source) =>
    source.query<{ name: string }>(`SELECT datname AS name FROM pg_database
      WHERE datallowconn AND NOT datistemplate AND has_database_privilege(oid, 'CONNECT') ORDER BY 1`),
  );
  const found: SourceTenant[] = [];
  let answered = 0;
  let wrong: RefillError | undefined;
  for (const { name } of databases) {
    try {
      const owners = await ownersIn(cluster, dataset, name);
      answered += 1;
      for (const t of owners)
        found.push({
          cluster: cluster.name,
          ...t,
          sourceDatabase: name,
          targetDatabase: databaseName(t),
          sourceProblem: null,
        });
    } catch (error) {
      if (!(error instanceof RefillError) || !isNotOurs(error)) throw error;
      if (error.code === 'PG_QUERY' && !isTableMissing(error)) wrong ??= error;
    }
  }
  // Another program's table may have the name of ours; a query that fails wherever its tables are is itself wrong.
  if (answered === 0 && wrong) throw tenantsQueryWrong(dataset, wrong.message, wrong);
  return found;
}

/** SQLSTATEs of a table or schema that is not there. */
const isTableMissing = ({ details }: RefillError) => ['42P01', '3F000'].includes(String(details['sqlstate']));

/** A database without the dataset's tables, or one that we may not read, holds no tenant of ours. */
const isNotOurs = ({ code, details }: RefillError) =>
  code === 'PG_DENIED' || (code === 'PG_QUERY' && details['sqlstate'] !== SYNTAX_ERROR);

const SYNTAX_ERROR = '42601';

/** The owners that the dataset's `tenants` query finds in a database. Errors: `DATASET_INVALID`, and what Postgres says. */
async function ownersIn(cluster: Cluster, dataset: DatasetDefinition, database: string): Promise<TenantName[]> {
  const rows = await withSource(cluster.source(database), (source) =>
    source.query<Record<string, unknown>>(dataset.tenants),
  ).catch((error: unknown) => {
    if (error instanceof RefillError && error.details['sqlstate'] === SYNTAX_ERROR)
      throw tenantsQueryWrong(dataset, error.message, error);
    throw error;
  });
  const owners = rows.map((row) => ({
    customer: nameOf(dataset, database, row, 'customer'),
    profile: nameOf(dataset, database, row, 'profile'),
  }));
  return [...new Map(owners.map((owner) => [formatTenant(owner), owner])).values()];
}

/** A name as the `tenants` query returned it; without it the tenant would be called `undefined`. */
function nameOf(
  dataset: DatasetDefinition,
  database: string,
  row: Readonly<Record<string, unknown>>,
  column: keyof TenantName,
): string {
  const value = row[column];
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string' && value.trim() !== '') return value;
  const what = !Object.hasOwn(row, column)
    ? `returns no column \`${column}\`; its columns are ${Object.keys(row).join(', ')}`
    : value === null
      ? `returns a row in which \`${column}\` is NULL`
      : typeof value === 'string'
        ? `returns a row in which \`${column}\` is empty`
        : `returns a \`${column}\` that is no text`;
  throw tenantsQueryWrong(dataset, `in database ${database} it ${what}`);
}

function tenantsQueryWrong(dataset: DatasetDefinition, what: string, cause?: RefillError): RefillError {
  return new RefillError('DATASET_INVALID', `dataset ${dataset.name}: its \`tenants\` query is wrong: ${what}`, {
    hint: 'Correct the query `tenants` of the dataset: it returns the columns `customer` and `profile`, neither NULL nor empty.',
    ...(cause ? { cause } : {}),
  });
}
