import type { VerifyResult } from '../../../domain/events.ts';
import { formatTenant, type Instant, type Range, type TenantName } from '../../../domain/words.ts';
import { Fields } from './fields.ts';
import { VERIFY_WORKFLOW } from './names.ts';

/** What is verified: as `refill verify` is asked. */
export interface VerifyRequest {
  readonly tenant: TenantName;
  readonly cluster?: string;
  readonly dataset?: string;
  readonly range: Range;
}

const HOUR_MS = 3_600_000;

/** Hours before now that a rolling range ends unless the payload says otherwise: what writes as it happens is done by then. */
const SETTLE_HOURS = 1;

/**
 * Reads a payload: of a range, `from` and `to`, or of a rolling one, the last `hours`, up to `settleHours` before `now` and
 * beginning and ending with an hour. Throws `PAYLOAD_INVALID`, naming the field.
 */
export function verifyRequest(raw: unknown, now: Date): VerifyRequest {
  const fields = new Fields(VERIFY_WORKFLOW, raw);
  const [cluster, dataset] = [fields.optionalText('cluster'), fields.optionalText('dataset')];
  return {
    tenant: { customer: fields.text('customer'), profile: fields.text('profile') },
    ...(cluster === null ? {} : { cluster }),
    ...(dataset === null ? {} : { dataset }),
    range: fields.optionalText('from') === null ? rolling(fields, now) : fixed(fields),
  };
}

function fixed(fields: Fields): Range {
  const range = { from: fields.instant('from'), to: fields.instant('to') };
  if (range.from >= range.to) throw fields.wrong('to', 'expected an instant after `from`');
  return range;
}

function rolling(fields: Fields, now: Date): Range {
  const hours = fields.whole('hours', 1);
  const settle = fields.optionalWhole('settleHours', 0, SETTLE_HOURS);
  const to = Math.floor(now.getTime() / HOUR_MS) - settle;
  const instant = (hour: number): Instant => new Date(hour * HOUR_MS).toISOString();
  return { from: instant(to - hours), to: instant(to) };
}

/** What a verification came to, without the keys, which the ledger has. */
export interface Verified extends Pick<VerifyResult, 'verification' | 'ok' | 'snapshot' | 'range' | 'reasons'> {
  readonly tables: readonly { readonly table: string; readonly source: number; readonly target: number }[];
}

/** What differs, in a sentence for whoever is alarmed by it. */
export function differenceWords({ tenant, range }: VerifyRequest, { verification, reasons }: Verified): string {
  const rows = reasons.map((r) => `${r.rows} ${r.kind} in ${r.table} (${r.reason})`).join(', ');
  return `${formatTenant(tenant)}, ${range.from} to ${range.to}: ${rows}; verification ${verification}`;
}
