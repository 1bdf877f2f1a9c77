import type { Range, TenantName } from '../domain/words.ts';
import type { KeyLists } from './key.ts';

/** A Postgres string literal. COPY takes no bound parameters, so every value that goes into a query goes through here. */
export function literal(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

/** The same for a text that `bind` is to leave as it is, whatever parameters seem to stand in it. */
export function fixedLiteral(value: string): string {
  if (!/:[a-z]/u.test(value)) return literal(value);
  return ` E'${value.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll(':', '\\x3A')}'`;
}

/** A Postgres array literal of texts. */
export function textArray(values: readonly string[]): string {
  const items = values.map((v) => `"${v.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
  return `${literal(`{${items.join(',')}}`)}::text[]`;
}

/** A ClickHouse identifier. */
export function identifier(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}

/** A ClickHouse string literal. */
export function chLiteral(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

export interface Parameters {
  readonly tenant: TenantName;
  readonly range?: Range;
  readonly keys?: KeyLists;
}

/** Puts the parameters `:customer :profile :from :to :keys` (or `:keys_COLUMN`) of a dataset's SQL in, as literals. */
export function bind(sql: string, { tenant, range, keys }: Parameters): string {
  return sql.replaceAll(/(?<![:\w]):(customer|profile|from|to|keys\w*)\b/gu, (whole, name: string) => {
    if (name === 'customer') return literal(tenant.customer);
    if (name === 'profile') return literal(tenant.profile);
    const list = keys?.[name];
    if (list) return textArray(list);
    if (name === 'from' && range) return `${literal(range.from)}::timestamptz`;
    if (name === 'to' && range) return `${literal(range.to)}::timestamptz`;
    return whole;
  });
}
