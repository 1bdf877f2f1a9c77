import { WindowsAtOnce } from '../domain/at-once.ts';
import type { Limits } from '../domain/limits.ts';
import { createShares, type Shares } from '../domain/share.ts';

/** Slots for windows, which all runs of a program share, and on each cluster what they learn of its servers. */
export class Slots {
  readonly shares: Shares;
  readonly #clusterWindows: number;
  readonly #atOnce = new Map<string, WindowsAtOnce>();

  constructor({
    fleetWindows,
    clusterWindows,
    serverWindows,
    windows,
  }: Pick<Limits, 'fleetWindows' | 'clusterWindows' | 'serverWindows' | 'windows'>) {
    this.#clusterWindows = clusterWindows;
    this.shares = createShares({
      total: fleetWindows,
      perCluster: clusterWindows,
      perServer: serverWindows,
      perTenant: windows,
    });
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
}
