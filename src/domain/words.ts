/**
 * The words of Refill, and nothing else. Code, CLI, UI and docs use these and no synonyms.
 *
 * - cluster: one ClickHouse cluster with the Postgres databases that belong to it
 * - tenant: a customer with a profile: one database on each side
 * - dataset: which target tables are derived from which source query, by which keys, with which named exclusions
 * - range: `[from, to)` in UTC on the dataset's time
 * - window: a slice of a range that is one unit of re-indexing
 * - plan: what will be done, with counts, SQL and cost, before anything is done
 * - run: one execution of a plan; it has an id and an epoch, the instant that separates old rows from its own
 * - delete: a slice of a range that is deleted by one mutation a table; it covers whole windows
 * - mutation: a ClickHouse `ALTER … DELETE` or lightweight delete of ours, known by the run's nonce in its predicate
 * - proof: the evidence kept for a tenant x table x window
 * - drift: rows that differ between source and target: missing, extra, stale, duplicated, unexplained
 * - dependent: whatever reads a target's inserts or derives from it: views, projections, TTLs, dictionaries
 */

/** An instant in UTC with milliseconds, as `Date.prototype.toISOString` writes it; such strings sort by time. */
export type Instant = string;

/** `[from, to)`. */
export interface Range {
  readonly from: Instant;
  readonly to: Instant;
}

/** A customer with a profile. */
export interface TenantName {
  readonly customer: string;
  readonly profile: string;
}

/** A tenant, where its cluster is, and the database that holds it on each side. */
export interface Tenant extends TenantName {
  readonly cluster: string;
  readonly sourceDatabase: string;
  readonly targetDatabase: string;
}

/** `purge` deletes and then re-indexes; `replace` re-indexes, proves, and then deletes what is older. */
export type Strategy = 'purge' | 'replace';

/**
 * The kinds of drift, in the order in which reports show them. `unexplained` is what counts and sums say and no named row
 * accounts for: while there is any, nothing is proven.
 */
export const DRIFT_KINDS = ['missing', 'extra', 'stale', 'duplicated', 'unexplained'] as const;
export type DriftKind = (typeof DRIFT_KINDS)[number];

/** What a plan is confined to: a part of the dataset that has a name, or some rows by their ids. */
export type Only = { readonly subset: string } | { readonly ids: readonly string[] };

/** Why source rows are not in the target on purpose: reason to number of rows. */
export type Excluded = Readonly<Record<string, number>>;

/** `customer/profile`, as a person writes a tenant. */
export function formatTenant(tenant: TenantName): string {
  return `${tenant.customer}/${tenant.profile}`;
}

/** An instant as a command line takes it: midnight is its day alone. */
export function formatInstant(at: Instant): string {
  return at.replace(/T00:00:00\.000Z$/u, '').replace(/\.000Z$/u, 'Z');
}

/** An instant in a text, without what says nothing: `2026-01-05`, `2026-01-05 06:00`, `2026-01-05 06:00:07.123`. UTC. */
export function shortInstant(at: Instant): string {
  const [day = at, time = ''] = at.replace(/Z$/u, '').split('T');
  const short = time.replace(/\.000$/u, '').replace(/^(\d\d:\d\d):00$/u, '$1');
  return short === '' || short === '00:00' ? day : `${day} ${short}`;
}

/** `2026-01-05 to 2026-01-15`, `2026-01-05 06:00 to 2026-01-06`; the end is not part of it. */
export function formatRange({ from, to }: Range): string {
  return `${shortInstant(from)} to ${shortInstant(to)}`;
}

/**
 * The database name of a tenant: every character of `customer_profile` that is not an ASCII letter, digit or `_`
 * becomes `_`. It cannot be reversed, and two tenants can have the same one.
 */
export function databaseName(tenant: TenantName): string {
  return `${tenant.customer}_${tenant.profile}`.replace(/[^A-Za-z0-9_]/gu, '_');
}

/** A target column that Refill neither derives nor proves. */
export interface UnprovenColumn {
  readonly table: string;
  readonly column: string;
  /** Why, as the dataset says it, or what the server does with the column. */
  readonly reason: string;
}
