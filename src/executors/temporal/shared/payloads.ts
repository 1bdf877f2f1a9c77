import type { Instant } from '../../../domain/words.ts';
import { Fields, isJsonObject, PAYLOAD_VERSION } from './fields.ts';
import { FLEET_WORKFLOW, LIMITS_UPDATE, TENANT_WORKFLOW } from './names.ts';

/** How much of a run one execution of its workflow takes on, before it continues as a new one. */
export interface SliceSize {
  /** Default 400: about 2,500 events of history, where a server warns at 10,240 and ends a workflow at 51,200. */
  readonly windows: number;
  /** Default 100, likewise. */
  readonly deletes: number;
}

export const DEFAULT_SLICE: SliceSize = { windows: 400, deletes: 100 };

/**
 * Tenants of all clusters together that one execution of a fleet's workflow is told of: as many as its history has room
 * for before the server suggests to continue as a new one (4,096 events), and about 100 kB of what it keeps, where a
 * server warns at 256 kB and refuses 2 MB.
 */
const DEFAULT_SLICE_TENANTS = 500;

const BEGINNINGS = ['run', 'resume', 'retry'] as const;

/** A fleet's tenant, whose run is made, or gone on with, by the workflow itself. */
export interface MemberPayload {
  readonly fleet: string;
  readonly order: number;
  readonly plan: string;
  readonly how: (typeof BEGINNINGS)[number];
}

/** What the workflow of a run is given: a run that is in the ledger, or a fleet's tenant. */
export interface TenantPayload {
  readonly v: typeof PAYLOAD_VERSION;
  /** Null until the run of a fleet's tenant is made. */
  readonly run: string | null;
  readonly member: MemberPayload | null;
  /** Whether the server knows the search attributes: to set one that it does not know would stop the workflow. */
  readonly attributes: boolean;
  readonly slice: SliceSize;
  /** Windows at once at most, as somebody has set them by an update; null where nobody has. */
  readonly most: number | null;
  /** Seconds at work in executions before this one. */
  readonly seconds: number;
}

/** What the update of limits is given. */
export interface LimitsPayload {
  readonly windows: number;
}

/** Throws `PAYLOAD_INVALID`, which refuses the update. */
export function limitsPayload(raw: unknown): LimitsPayload {
  const fields = new Fields(LIMITS_UPDATE, isJsonObject(raw) ? { v: PAYLOAD_VERSION, ...raw } : raw);
  return { windows: fields.whole('windows', 1) };
}

export function tenantPayload(raw: unknown): TenantPayload {
  const fields = new Fields(TENANT_WORKFLOW, raw);
  const run = fields.optionalText('run');
  const fleet = fields.optionalText('fleet');
  if (run === null && fleet === null) throw fields.wrong('run', 'expected the id of a run, got nothing');
  return {
    v: PAYLOAD_VERSION,
    run,
    member:
      fleet === null
        ? null
        : { fleet, order: fields.whole('order', 1), plan: fields.text('plan'), how: fields.oneOf('how', BEGINNINGS) },
    attributes: fields.flag('attributes'),
    slice: sliceSize(fields),
    most: fields.optionalWhole('most', 1, 0) || null,
    seconds: fields.optionalAmount('seconds'),
  };
}

function sliceSize(fields: Fields): SliceSize {
  return {
    windows: fields.optionalWhole('sliceWindows', 1, DEFAULT_SLICE.windows),
    deletes: fields.optionalWhole('sliceDeletes', 1, DEFAULT_SLICE.deletes),
  };
}

/** The same as it is sent: flat, as a person can write it for `temporal workflow start --input`. */
export function sentTenant(payload: Omit<TenantPayload, 'v'>): Readonly<Record<string, unknown>> {
  const { run, member, attributes, slice, most, seconds } = payload;
  return {
    v: PAYLOAD_VERSION,
    ...(run === null ? {} : { run }),
    ...member,
    attributes,
    sliceWindows: slice.windows,
    sliceDeletes: slice.deletes,
    ...(most === null ? {} : { most }),
    seconds,
  };
}

/** What the workflow of a fleet is given: who its tenants are is in the ledger. */
export interface FleetPayload {
  readonly v: typeof PAYLOAD_VERSION;
  readonly fleet: string;
  readonly how: (typeof BEGINNINGS)[number];
  readonly attributes: boolean;
  /** Beginning of the task queues' names. */
  readonly taskQueue: string;
  /** Of its tenants' runs. */
  readonly slice: SliceSize;
  /** Tenants that one execution is told of. */
  readonly sliceTenants: number;
  /** By cluster, the last tenant that was begun in executions before this one: it goes on after it. */
  readonly after: Readonly<Record<string, number>>;
  /** Tenants that failed in executions before this one. */
  readonly failed: number;
  readonly seconds: number;
}

/** The payload of a fleet's first execution, but for which fleet it is. */
export const FIRST_FLEET_PAYLOAD = {
  slice: DEFAULT_SLICE,
  sliceTenants: DEFAULT_SLICE_TENANTS,
  after: {},
  failed: 0,
  seconds: 0,
} as const satisfies Partial<FleetPayload>;

export function fleetPayload(raw: unknown): FleetPayload {
  const fields = new Fields(FLEET_WORKFLOW, raw);
  return {
    v: PAYLOAD_VERSION,
    fleet: fields.text('fleet'),
    how: fields.oneOf('how', BEGINNINGS, 'run'),
    attributes: fields.flag('attributes'),
    taskQueue: fields.text('taskQueue'),
    slice: sliceSize(fields),
    sliceTenants: fields.optionalWhole('sliceTenants', 1, DEFAULT_SLICE_TENANTS),
    after: fields.optionalNumbers('after'),
    failed: fields.optionalWhole('failed', 0, 0),
    seconds: fields.optionalAmount('seconds'),
  };
}

export function sentFleet(payload: Omit<FleetPayload, 'v'>): Readonly<Record<string, unknown>> {
  const { slice, ...others } = payload;
  return { v: PAYLOAD_VERSION, ...others, sliceWindows: slice.windows, sliceDeletes: slice.deletes };
}

/** What the activity of a window or a delete is given: the unit of a run that it is to do. */
export interface UnitPayload {
  readonly v: 1;
  readonly run: string;
  /** Number of the window or the delete. */
  readonly unit: number;
  /** Where a window ends, as far as the flow knows. Workflows from before it was said do not say it. */
  readonly to?: Instant;
}

export function unitPayload(activity: string, raw: unknown): Omit<UnitPayload, 'v'> {
  const fields = new Fields(activity, raw);
  const to = fields.optionalText('to');
  return { run: fields.text('run'), unit: fields.whole('unit', 1), ...(to === null ? {} : { to }) };
}
