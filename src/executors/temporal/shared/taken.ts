import type { BackfillRequest } from '../../../domain/backfill.ts';
import { RefillError } from '../../../domain/errors.ts';
import type { IdsRequest, PlanRequest } from '../../../domain/requests.ts';
import { formatTenant, type Range, type TenantName } from '../../../domain/words.ts';
import { Fields, isJsonObject, PAYLOAD_VERSION } from './fields.ts';

/**
 * The three workflows that users have had before Refill, by their own names and task queues, so that whoever starts them
 * today goes on doing it. docs/takeover.md has their payloads, version 1.
 */
export const TAKEN_QUEUES = {
  ReindexConversations: 'reindex_conversations',
  ReindexProcessScorecards: 'reindex_scorecards',
  BackfillScorecards: 'backfill_scorecards',
} as const;
export type TakenType = keyof typeof TAKEN_QUEUES;

/** What one of them asks for. Rows that a plan deletes beyond `limits.blastRows` have to be confirmed. */
export type TakenJob =
  | { readonly of: 'range'; readonly request: PlanRequest; readonly confirmRows: number | null }
  | { readonly of: 'ids'; readonly request: IdsRequest; readonly confirmRows: number | null }
  /** Without a scorer: the only one of the configuration. */
  | { readonly of: 'backfill'; readonly request: Omit<BackfillRequest, 'scorer'> & { readonly scorer?: string } };

/** A cluster, and the task queue of its workers. */
export interface TakenPlace {
  readonly cluster: string;
  readonly taskQueue: string;
  /** Whether the server knows our search attributes; a worker of before does not say. */
  readonly attributes?: boolean;
}

/** What was planned, and will be executed by its id. */
export interface TakenPlan {
  readonly kind: 'plan' | 'backfill';
  readonly id: string;
  readonly confirmRows: number | null;
  /** What is counted in heartbeats: scorecards, or conversations to judge. */
  readonly total: number;
  /** Whether the server knows our search attributes; a worker of before does not say. */
  readonly attributes?: boolean;
  /** A worker of before does not say it. */
  readonly dataset?: string;
}

/** How the run or the backfill of a plan stands, while its activity is at work. */
export interface TakenNews {
  readonly run: string;
  readonly state: 'running' | 'paused';
}

/** Reads it; undefined where it is of another version, or by hand. */
export function takenNews(raw: unknown): TakenNews | undefined {
  if (!isJsonObject(raw) || !('run' in raw) || !('state' in raw)) return undefined;
  const { run, state } = raw;
  if (typeof run !== 'string' || !/^[rb]-\w{1,40}$/u.test(run)) return undefined;
  if (state !== 'running' && state !== 'paused') return undefined;
  return { run, state };
}

/** The shape that heartbeats have always had; what is more is beside it. */
export interface TakenBeat {
  readonly State: {
    readonly ReindexedConversations: number;
    readonly FailedConversations: number;
    readonly TotalConversationCount: number;
  };
  readonly Refill: Readonly<Record<string, unknown>>;
}

class TakenFields extends Fields {
  readonly #raw: Readonly<Record<string, unknown>>;

  constructor(type: TakenType, payload: unknown) {
    const isMap = isJsonObject(payload);
    super(type, isMap ? { ...payload, v: PAYLOAD_VERSION } : payload);
    this.#raw = isMap ? { ...payload } : {};
    // What was started before there was a version has none.
    const { version = PAYLOAD_VERSION } = this.#raw;
    if (version !== PAYLOAD_VERSION)
      throw this.wrong('version', `expected ${PAYLOAD_VERSION}, which is all that this worker knows`);
  }

  tenant(): TenantName {
    return { customer: this.text('customer_id'), profile: this.text('profile_id') };
  }

  range(): Range {
    const range = { from: this.instant('start_time'), to: this.instant('end_time') };
    if (range.from >= range.to) throw this.wrong('end_time', 'expected an instant after `start_time`');
    return range;
  }

  names(field: string, of: Readonly<Record<string, unknown>> = this.#raw): readonly string[] | undefined {
    const list = of[field];
    if (list === undefined || list === null) return undefined;
    if (Array.isArray(list) && list.every((one): one is string => typeof one === 'string' && one !== '')) return list;
    throw this.wrong(field, 'expected a list of texts');
  }

  map(field: string): Readonly<Record<string, unknown>> {
    const value = this.#raw[field];
    if (value === undefined || value === null) return {};
    if (typeof value === 'object' && !Array.isArray(value)) return { ...value };
    throw this.wrong(field, 'expected a JSON object');
  }

  confirmRows(): number | null {
    const rows = this.optionalWhole('confirm_rows', 0, -1);
    return rows < 0 ? null : rows;
  }
}

/** Reads a payload. Throws `PAYLOAD_INVALID`, naming the field. */
export function takenJob(type: TakenType, payload: unknown): TakenJob {
  const fields = new TakenFields(type, payload);
  const tenant = fields.tenant();
  switch (type) {
    case 'ReindexConversations':
      return range(fields, tenant, 'conversation');
    case 'ReindexProcessScorecards': {
      const ids = fields.names('scorecard_ids');
      if (ids === undefined) return range(fields, tenant, 'process');
      if (ids.length === 0) throw fields.wrong('scorecard_ids', 'expected at least one id');
      return { of: 'ids', request: { tenant, ids }, confirmRows: fields.confirmRows() };
    }
    case 'BackfillScorecards':
      return { of: 'backfill', request: backfill(fields, tenant) };
  }
}

function range(fields: TakenFields, tenant: TenantName, subset: string): TakenJob {
  const request = { tenant, range: fields.range(), only: { subset } };
  return { of: 'range', request, confirmRows: fields.confirmRows() };
}

function backfill(fields: TakenFields, tenant: TenantName): Omit<BackfillRequest, 'scorer'> & { scorer?: string } {
  const audience = fields.map('audience');
  const [languages, agentUserIds] = [fields.names('languages', audience), fields.names('agent_user_ids', audience)];
  const [scorer, revision] = [fields.optionalText('scorer'), fields.optionalText('scorecard_template_revision')];
  const sourceJob = fields.optionalText('source_job');
  return {
    tenant,
    range: fields.range(),
    template: fields.text('scorecard_template'),
    includeDevUsers: fields.flag('include_dev_users'),
    reindex: !fields.flag('skip_reindex_conversations'),
    audience: {
      ...(languages === undefined ? {} : { languages }),
      ...(agentUserIds === undefined ? {} : { agentUserIds }),
    },
    ...(scorer === null ? {} : { scorer }),
    ...(revision === null ? {} : { revision }),
    ...(sourceJob === null ? {} : { sourceJob }),
  };
}

/** A field for a tenant that none of these clusters has. */
export function unknownTenant(type: TakenType, tenant: TenantName, clusters: readonly string[]): RefillError {
  return new RefillError(
    'PAYLOAD_INVALID',
    `the payload of ${type}: \`customer_id\`, \`profile_id\`: no tenant ${formatTenant(tenant)} was found on ${clusters.join(', ')}`,
    { details: { field: 'customer_id' } },
  );
}
