import type { Pool } from './pool.ts';
import {
  checked,
  type LimitsInForce,
  limitsFor,
  placeKey,
  placesOf,
  type ShareLimits,
  type SharePlace,
  type ShareRequest,
} from './share-limits.ts';

/** Gives a slot back. A second call does nothing. One that was not used was never given: the tenant keeps its turn. */
export type Release = (how?: 'unused') => void;

/**
 * Who else has to let a slot be used, asked when it was given here: what it returns gives back what was admitted. Null where
 * it may not be used, and the place that is full was shut: the slot goes to who waits for another place.
 */
export type Admit = (request: ShareRequest) => Promise<(() => Promise<void>) | null>;

/** Who waits for what. */
export interface Waiting extends Required<Omit<ShareRequest, 'run' | 'window'>> {
  /** How many of that tenant's windows wait. */
  readonly count: number;
  /** What has no slot left for them, the tenant's own limit first: `cluster a (4 of 4 slots in use)`. */
  readonly reason: string;
}

export interface InUse {
  readonly total: number;
  readonly clusters: Readonly<Record<string, number>>;
  readonly servers: Readonly<Record<string, number>>;
  readonly tenants: readonly { readonly cluster: string; readonly tenant: string; readonly slots: number }[];
}

export interface Shares {
  /** Waits for a slot, asking nobody else. Aborting rejects with the signal's reason and gives up the place. */
  acquire(request: ShareRequest, signal?: AbortSignal): Promise<Release>;
  /** Runs a task in a slot to which it was admitted. */
  run<T>(request: ShareRequest, task: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** The slots as one tenant's pool, which is how the flow uses them. */
  pool(request: ShareRequest, options?: SharePoolOptions): Pool;
  readonly limits: ShareLimits;
  /** Takes effect at once: more begin, or no new ones until fewer than that are at work. What is not given stays. */
  set(limits: Partial<ShareLimits>): void;
  /** The limits that are in force for a request. */
  limitsOf(request: ShareRequest): LimitsInForce;
  /** Nobody is given a slot at a place until it is opened; the reason is shown to who waits. */
  shut(place: SharePlace, reason: string): void;
  open(place: SharePlace): void;
  /** In the order in which they would be served. */
  waiting(): readonly Waiting[];
  inUse(): InUse;
}

export interface SharePoolOptions {
  /** Aborting rejects what waits. */
  readonly signal?: AbortSignal;
  /**
   * Aborting runs what waits, and all that comes, without a slot. For a run that may begin nothing any more, as its tasks
   * look for that and leave at once: on a cluster that is on hold they would wait for a slot in which to do nothing.
   */
  readonly leave?: AbortSignal;
}

interface Waiter {
  readonly grant: () => void;
}

/** A request with the names that it has in all maps. */
interface Place extends Required<Omit<ShareRequest, 'run' | 'window'>> {
  /** Two clusters may have a tenant of the same name. */
  readonly tenantKey: string;
  readonly queueKey: string;
}

/** Waiters that nothing tells apart but the order in which they came. */
interface Queue {
  readonly place: Place;
  /** A set, as one that is aborted leaves from anywhere in it. */
  readonly waiters: Set<Waiter>;
  /** When the first one came, of all queues. */
  readonly since: number;
}

/** Slots in use by name, for clusters, servers or tenants. */
class Counter {
  readonly #used = new Map<string, number>();

  of(name: string): number {
    return this.#used.get(name) ?? 0;
  }

  add(name: string, by: 1 | -1): void {
    const next = this.of(name) + by;
    if (next === 0) this.#used.delete(name);
    else this.#used.set(name, next);
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries(this.#used);
  }
}

const slots = (used: number, limit: number): string => `${used} of ${limit} ${limit === 1 ? 'slot' : 'slots'} in use`;

function placeOf({ cluster, server, tenant, priority = 0 }: ShareRequest): Place {
  const tenantKey = JSON.stringify([cluster, tenant]);
  return { cluster, server, tenant, priority, tenantKey, queueKey: JSON.stringify([tenantKey, server, priority]) };
}

/**
 * Shares slots between the tenants of a fleet. Of those who wait and may begin, the next is, in this order: of the
 * highest priority; of the tenant with the fewest slots in use; of the one whose last slot is the longest ago, which is
 * before all others one that had none yet; and who came first. So one with thousands of windows has all slots when it is
 * alone, and gives the next one that it releases to whoever comes.
 *
 * Who was served the longest ago, not who was served least: a tenant that comes late, or whose server was on hold,
 * would otherwise take every slot until it has caught up with the others.
 */
export function createShares(initial: ShareLimits, admit?: Admit): Shares {
  return new FairShares(initial, admit);
}

class FairShares implements Shares {
  #limits: ShareLimits;
  #total = 0;
  readonly #clusters = new Counter();
  readonly #servers = new Counter();
  readonly #tenants = new Counter();
  readonly #queues = new Map<string, Queue>();
  /** When each tenant was last given a slot, by the number of the slot. */
  readonly #served = new Map<string, { readonly cluster: string; readonly tenant: string; readonly slot: number }>();
  readonly #leavers = new WeakMap<AbortSignal, Set<() => void>>();
  readonly #admit: Admit | undefined;
  /** Why each place is shut. */
  readonly #shut = new Map<string, string>();
  #slotsGiven = 0;
  #asked = 0;

  constructor(limits: ShareLimits, admit: Admit | undefined) {
    this.#limits = checked(limits);
    this.#admit = admit;
  }

  get limits(): ShareLimits {
    return this.#limits;
  }

  set(limits: Partial<ShareLimits>): void {
    this.#limits = checked({ ...this.#limits, ...limits });
    this.#serve();
  }

  shut(place: SharePlace, reason: string): void {
    this.#shut.set(placeKey(place), reason);
  }

  open(place: SharePlace): void {
    if (this.#shut.delete(placeKey(place))) this.#serve();
  }

  acquire(request: ShareRequest, signal?: AbortSignal): Promise<Release> {
    const place = placeOf(request);
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      // Nobody waits who could begin, so that whoever comes and can goes before nobody.
      if (this.#fits(place)) {
        resolve(this.#take(place));
        return;
      }
      const unlisten = signal ? this.#onAbort(signal, () => leave()) : () => {};
      const waiter: Waiter = {
        grant: () => {
          unlisten();
          resolve(this.#take(place));
        },
      };
      const leave = () => {
        this.#remove(place, waiter);
        reject(signal?.reason);
      };
      this.#add(place, waiter);
    });
  }

  async run<T>(request: ShareRequest, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const leave = await this.#enter(request, signal);
    try {
      return await task();
    } finally {
      await leave();
    }
  }

  pool(request: ShareRequest, { signal, leave }: SharePoolOptions = {}): Pool {
    // One for all tasks: a signal made of others is kept as long as they are.
    const either = AbortSignal.any([signal, leave].filter((one) => one !== undefined));
    return {
      run: async (task, { window } = {}) => {
        const asked = window === undefined ? request : { ...request, window };
        const end = await this.#enter(asked, either).catch((error: unknown) => {
          if (leave?.aborted === true && signal?.aborted !== true) return () => Promise.resolve();
          throw error;
        });
        try {
          return await task();
        } finally {
          await end();
        }
      },
    };
  }

  /** Waits until a slot is there and whoever else has a say admits to it; returns what gives both back. */
  async #enter(request: ShareRequest, signal: AbortSignal | undefined): Promise<() => Promise<void>> {
    for (;;) {
      const release = await this.acquire(request, signal);
      const admitted = await this.#admitted(request, signal).catch((error: unknown) => {
        release('unused');
        throw error;
      });
      if (admitted) return () => admitted().finally(release);
      release('unused');
    }
  }

  /** Asks who admits. Aborting waits for no answer; what is admitted after that is given back. */
  async #admitted(request: ShareRequest, signal: AbortSignal | undefined): ReturnType<Admit> {
    if (!this.#admit) return () => Promise.resolve();
    const answer = this.#admit(request);
    if (!signal) return await answer;
    return await new Promise((resolve, reject) => {
      const leave = () => {
        reject(signal.reason);
        void answer.then((admitted) => admitted?.()).catch(() => undefined);
      };
      const unlisten = this.#onAbort(signal, leave);
      void answer.then(resolve, reject).finally(unlisten);
    });
  }

  waiting(): readonly Waiting[] {
    return [...this.#queues.values()]
      .sort((a, b) => this.#compare(a, b))
      .map(({ place, waiters }) => {
        const { cluster, server, tenant, priority } = place;
        return { cluster, server, tenant, priority, count: waiters.size, reason: this.#reason(place) };
      });
  }

  inUse(): InUse {
    return {
      total: this.#total,
      clusters: this.#clusters.toRecord(),
      servers: this.#servers.toRecord(),
      tenants: [...this.#served]
        .map(([key, { cluster, tenant }]) => ({ cluster, tenant, slots: this.#tenants.of(key) }))
        .filter((one) => one.slots > 0),
    };
  }

  /** One listener a signal: Node warns of a leak where thousands of waiters have one each. */
  #onAbort(signal: AbortSignal, leave: () => void): () => void {
    const leavers = this.#leavers.get(signal) ?? new Set();
    if (!this.#leavers.has(signal)) {
      this.#leavers.set(signal, leavers);
      signal.addEventListener(
        'abort',
        () => {
          for (const one of leavers) one();
        },
        { once: true },
      );
    }
    leavers.add(leave);
    return () => leavers.delete(leave);
  }

  #add(place: Place, waiter: Waiter): void {
    const queue = this.#queues.get(place.queueKey) ?? { place, waiters: new Set(), since: this.#asked };
    this.#asked += 1;
    queue.waiters.add(waiter);
    this.#queues.set(place.queueKey, queue);
  }

  #remove({ queueKey }: Place, waiter: Waiter): void {
    const queue = this.#queues.get(queueKey);
    queue?.waiters.delete(waiter);
    if (queue?.waiters.size === 0) this.#queues.delete(queueKey);
  }

  /** Gives slots until nobody who waits may have one. */
  #serve(): void {
    while (this.#total < this.#limits.total) {
      let next: Queue | undefined;
      for (const queue of this.#queues.values())
        if (this.#fits(queue.place) && (!next || this.#compare(queue, next) < 0)) next = queue;
      const [waiter] = next?.waiters ?? [];
      if (!next || !waiter) return;
      this.#remove(next.place, waiter);
      waiter.grant();
    }
  }

  #take(place: Place): Release {
    this.#slotsGiven += 1;
    const { cluster, tenant } = place;
    const before = this.#served.get(place.tenantKey);
    const served = { cluster, tenant, slot: this.#slotsGiven };
    this.#served.set(place.tenantKey, served);
    const count = (by: 1 | -1) => {
      this.#total += by;
      this.#clusters.add(place.cluster, by);
      this.#servers.add(place.server, by);
      this.#tenants.add(place.tenantKey, by);
    };
    count(1);
    let held = true;
    return (how) => {
      if (!held) return;
      held = false;
      if (how === 'unused' && this.#served.get(place.tenantKey) === served) {
        if (before) this.#served.set(place.tenantKey, before);
        else this.#served.delete(place.tenantKey);
      }
      count(-1);
      this.#serve();
    };
  }

  limitsOf(request: ShareRequest): LimitsInForce {
    return limitsFor(this.#limits, request);
  }

  #shutFor(place: Place): string | undefined {
    if (this.#shut.size === 0) return undefined;
    const key = placesOf(place)
      .map(placeKey)
      .find((one) => this.#shut.has(one));
    return key === undefined ? undefined : this.#shut.get(key);
  }

  #fits(place: Place): boolean {
    const limits = this.limitsOf(place);
    return (
      this.#shutFor(place) === undefined &&
      this.#total < limits.fleet &&
      this.#tenants.of(place.tenantKey) < limits.tenant &&
      this.#servers.of(place.server) < limits.server &&
      this.#clusters.of(place.cluster) < limits.cluster
    );
  }

  /** What has no slot left for who waits. */
  #reason(place: Place): string {
    const shut = this.#shutFor(place);
    if (shut !== undefined) return shut;
    const limits = this.limitsOf(place);
    const all: readonly (readonly [name: string, used: number, limit: number])[] = [
      [`tenant ${place.tenant}`, this.#tenants.of(place.tenantKey), limits.tenant],
      [`Postgres server ${place.server}`, this.#servers.of(place.server), limits.server],
      [`cluster ${place.cluster}`, this.#clusters.of(place.cluster), limits.cluster],
      ['the fleet', this.#total, limits.fleet],
    ];
    const full = all.find(([, used, limit]) => used >= limit);
    return full ? `${full[0]} (${slots(full[1], full[2])})` : 'its turn';
  }

  /** Negative where `a` goes first. */
  #compare({ place: a, since: sinceA }: Queue, { place: b, since: sinceB }: Queue): number {
    return (
      b.priority - a.priority ||
      this.#tenants.of(a.tenantKey) - this.#tenants.of(b.tenantKey) ||
      (this.#served.get(a.tenantKey)?.slot ?? 0) - (this.#served.get(b.tenantKey)?.slot ?? 0) ||
      sinceA - sinceB
    );
  }
}
