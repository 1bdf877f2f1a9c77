import type { Instant, TenantName } from '../domain/words.ts';

/** What `{name}` stands for in an id or a payload. */
export interface Values extends TenantName {
  readonly id: string;
  readonly from?: Instant;
  readonly to?: Instant;
}

/** Puts values in for `{customer}`, `{profile}`, `{id}`, `{from}` and `{to}`; other braces stay. */
export function fillText(text: string, values: Values): string {
  const known: Readonly<Record<string, string | undefined>> = { ...values };
  return text.replaceAll(/\{(customer|profile|id|from|to)\}/gu, (whole, name: string) => known[name] ?? whole);
}

/** The same in every text of a JSON value. */
export function fillJson(value: unknown, values: Values): unknown {
  if (typeof value === 'string') return fillText(value, values);
  if (Array.isArray(value)) return value.map((item) => fillJson(item, values));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillJson(item, values)]));
}

/** A number at a path such as `0.State.ReindexedConversations`; null where there is none. */
export function numberAt(value: unknown, path: string): number | null {
  let at: unknown = value;
  for (const step of path.split('.')) {
    if (typeof at !== 'object' || at === null) return null;
    at = Object.getOwnPropertyDescriptor(at, step)?.value;
  }
  return typeof at === 'number' && Number.isFinite(at) ? at : null;
}
