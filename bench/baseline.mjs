/**
 * The baselines: the dataset's derivation as plain views in Postgres, in the column types that somebody without Refill
 * would give them, and the statement with which ClickHouse pulls them itself.
 */
import { bind } from '../dist/dataset/sql.js';

const DEFAULTS = { text: "''", int: '0', bool: 'false', float: '0', timestamp: "'epoch'" };

function column(name, { kind, sql, ifNull }) {
  const value = ifNull === null ? `(${sql})` : `coalesce(${sql}, ${ifNull === 1 ? '1' : DEFAULTS[kind]})`;
  return `${kind === 'bool' ? `(${value})::int` : value} AS ${name}`;
}

/** A view with the rows that a target table should have, whatever their time. */
export function viewStatement(table, tenant) {
  const rows = 'SELECT * FROM director.scorecards WHERE customer = :customer AND profile = :profile';
  const columns = Object.entries(table.columns).map(([name, definition]) => column(name, definition));
  const kept = table.exclusions.map(({ when }) => `(${when}) IS NOT TRUE`).join(' AND ');
  const from = table.source.from.replace(':rows', `(${rows})`);
  return bind(`CREATE VIEW bench_${table.name} AS SELECT ${columns.join(', ')} FROM ${from} WHERE ${kept}`, { tenant });
}

/** ClickHouse pulls the whole view: a condition on a computed column does not reach Postgres. */
export function pullStatement(table, into, postgres, database, tenant) {
  const columns = Object.keys(table.columns).join(', ');
  const from = `postgresql('${postgres.host}:${postgres.port}', '${database}', 'bench_${table.name}', '${postgres.user}', '${postgres.password}')`;
  return `INSERT INTO \`${into}\`.${table.name} (customer_id, profile_id, ${columns}, update_time)
    SELECT '${tenant.customer}', '${tenant.profile}', ${columns}, now64(6) FROM ${from}`;
}
