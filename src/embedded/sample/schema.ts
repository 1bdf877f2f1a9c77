/** The users' tables on both sides. */
export { clickhouseSchemaSql, type TargetTable } from './clickhouse-schema.ts';
export { postgresSchemaSql } from './postgres-schema.ts';
