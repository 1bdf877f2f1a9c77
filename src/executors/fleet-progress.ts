import { eta, type EtaSample, sideBySide, withSample } from '../domain/eta.ts';
import type { RunEvent } from '../domain/events.ts';
import type { FleetPart, FleetProgress, TenantCounts } from '../domain/fleet-events.ts';
import type { MemberState } from '../domain/fleet.ts';
import type { Waiting } from '../domain/share.ts';
import { formatTenant } from '../domain/words.ts';
import type { MemberRecord } from '../ledger/ledger.ts';

/** Over how much time the rate that is shown is measured. */
const RATE_WINDOW_MS = 30_000;

interface Tenant {
  readonly record: MemberRecord;
  state: MemberState;
  rows: number;
  doing: string;
}

/** Keeps count of a fleet in this process, and makes the one snapshot that everything shows. */
export class FleetTracker {
  readonly #fleet: string;
  readonly #slots: number;
  readonly #tenants: ReadonlyMap<number, Tenant>;
  readonly #clusters: ReadonlyMap<string, { readonly tenants: readonly Tenant[]; samples: EtaSample[] }>;
  #recent: EtaSample[] = [];

  constructor(fleet: string, members: readonly MemberRecord[], slots: number) {
    this.#fleet = fleet;
    this.#slots = slots;
    this.#tenants = new Map(
      members.map((record) => [
        record.order,
        // Begun by another program, and not by this one yet.
        { record, state: record.state === 'running' ? 'left' : record.state, rows: record.rowsWritten, doing: '' },
      ]),
    );
    const all = [...this.#tenants.values()];
    this.#clusters = new Map(
      [...new Set(members.map((m) => m.cluster))]
        .sort()
        .map((name) => [name, { tenants: all.filter((t) => t.record.cluster === name), samples: [] }]),
    );
  }

  state(order: number, state: MemberState): void {
    const tenant = this.#tenants.get(order);
    if (tenant) Object.assign(tenant, { state, doing: state === 'running' ? 'its first step' : '' });
  }

  /** By cluster, whether tenants are left of which none is at work. */
  idle(): ReadonlyMap<string, boolean> {
    const isIdle = (tenants: readonly Tenant[]) =>
      tenants.some(({ state }) => state === 'left') && !tenants.some(({ state }) => state === 'running');
    return new Map([...this.#clusters].map(([name, { tenants }]) => [name, isIdle(tenants)]));
  }

  /** What a tenant waits for before its run can begin or go on. */
  waits(order: number, reason: string): void {
    const tenant = this.#tenants.get(order);
    if (tenant) tenant.doing = reason;
  }

  event(order: number, event: RunEvent): void {
    const tenant = this.#tenants.get(order);
    if (!tenant) return;
    if (event.type === 'progress') {
      tenant.rows = Math.max(tenant.rows, event.rowsWritten);
      tenant.doing = event.doing;
    } else if (event.type === 'result') tenant.rows = Math.max(tenant.rows, event.rowsWritten);
  }

  /** @param waiting Windows that wait for a slot, by tenant. */
  snapshot(waiting: readonly Waiting[]): FleetProgress {
    const at = Date.now();
    const clusters = [...this.#clusters].map(([cluster, one]) => {
      const part = partOf(one.tenants);
      one.samples = withSample(one.samples, { at, done: part.rowsWritten });
      const left = part.tenants.left + part.tenants.running === 0 ? NOTHING_LEFT : eta({ ...amounts(part), ...one });
      const { running, left: waits } = part.tenants;
      return {
        cluster,
        ...part,
        left,
        waits:
          waits === 0 ? null : running === 0 ? 'its turn' : `a tenant’s end (${running} of ${this.#slots} at work)`,
      };
    });
    const whole = partOf([...this.#tenants.values()]);
    this.#recent = [...this.#recent, { at, done: whole.rowsWritten }].filter((s) => at - s.at <= RATE_WINDOW_MS);
    const [first] = this.#recent;
    const seconds = first ? (at - first.at) / 1000 : 0;
    const running = [...this.#tenants.values()]
      .filter((t) => t.state === 'running')
      .map(({ record: { customer, profile, cluster, rowsToWrite }, rows, doing }) => {
        const waits = waiting.find((w) => w.cluster === cluster && w.tenant === formatTenant({ customer, profile }));
        // A run whose windows wait for slots that it shares knows nothing of it.
        const why = waits && !doing.includes('re-indexing') ? `waiting for ${waits.reason}` : doing;
        return { customer, profile, cluster, rowsWritten: rows, rowsTotal: Math.max(rows, rowsToWrite), doing: why };
      });
    return {
      type: 'fleet-progress',
      fleet: this.#fleet,
      at: new Date(at).toISOString(),
      ...whole,
      left: sideBySide(clusters.map((c) => c.left)),
      rowsPerSecond: first && seconds > 0 ? Math.round((whole.rowsWritten - first.done) / seconds) : 0,
      clusters,
      running,
      doing:
        running.length === 0
          ? 'its first step'
          : running
              .slice(0, 3)
              .map((t) => `${formatTenant(t)}: ${t.doing}`)
              .join(' · ') + (running.length > 3 ? ` · and ${running.length - 3} more` : ''),
    };
  }
}

const NOTHING_LEFT = { seconds: 0, low: 0, high: 0 };

function partOf(tenants: readonly Tenant[]): Omit<FleetPart, 'left'> {
  const count = (state: MemberState) => tenants.filter((t) => t.state === state).length;
  const counts: TenantCounts = {
    total: tenants.length,
    proven: count('proven'),
    differences: count('differences'),
    failed: count('failed'),
    running: count('running'),
    left: count('left'),
  };
  // What failed writes no more: its rows are not waited for. What is proven wrote what there was, planned or not.
  const expected = (t: Tenant) =>
    t.state === 'running' || t.state === 'left' ? Math.max(t.rows, t.record.rowsToWrite) : t.rows;
  return {
    tenants: counts,
    rowsWritten: tenants.reduce((n, t) => n + t.rows, 0),
    rowsTotal: tenants.reduce((n, t) => n + expected(t), 0),
  };
}

const amounts = (part: Omit<FleetPart, 'left'>) => ({ done: part.rowsWritten, total: part.rowsTotal });
