import { WindowsAtOnce } from '../domain/at-once.ts';
import type { Limits } from '../domain/limits.ts';
import { createShares, type Shares } from '../domain/share.ts';
import type { Actor, Ledger } from '../ledger/ledger.ts';
import { SlotClaims } from './slot-claims.ts';

/** The limits that count over all programs that share a ledger, and that of a tenant. */
export type SlotLimits = Pick<Limits, 'fleetWindows' | 'clusterWindows' | 'serverWindows' | 'windows'>;

export interface SlotOptions {
  readonly limits: SlotLimits;
  readonly ledger: () => Promise<Ledger>;
  readonly actor: Actor;
}

/**
 * Slots for windows, which all runs of a program share, and on each cluster what they learn of its servers. The one place
 * where a window waits for its turn, whatever executes it: `shares` decides whose window of this program is next, and the
 * ledger then counts it beside those of other programs.
 */
export class Slots {
  readonly shares: Shares;
  readonly #claims: SlotClaims;
  readonly #clusterWindows: number;
  readonly #atOnce = new Map<string, WindowsAtOnce>();

  constructor({ limits: { fleetWindows, clusterWindows, serverWindows, windows }, ledger, actor }: SlotOptions) {
    this.#clusterWindows = clusterWindows;
    this.shares = createShares(
      { total: fleetWindows, perCluster: clusterWindows, perServer: serverWindows, perTenant: windows },
      (request) => this.#claims.admit(request),
    );
    this.#claims = new SlotClaims({ ledger, actor, shares: this.shares });
  }

  /** How many windows of all runs on a cluster are written at once. */
  on(cluster: string): WindowsAtOnce {
    const known = this.#atOnce.get(cluster);
    if (known) return known;
    const made = new WindowsAtOnce(this.#clusterWindows, (windows) =>
      this.shares.set({ clusters: { ...this.shares.limits.clusters, [cluster]: windows } }),
    );
    this.#atOnce.set(cluster, made);
    return made;
  }

  /** What a tenant waits for; null where none of its windows waits for a slot. */
  waitsOf(cluster: string, tenant: string): string | null {
    const waits = this.shares.waiting().find((one) => one.cluster === cluster && one.tenant === tenant);
    return waits?.reason ?? null;
  }

  /** When nothing is at work any more. */
  close(): Promise<void> {
    return this.#claims.close();
  }
}
