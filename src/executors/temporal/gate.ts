import { WindowsAtOnce } from '../../domain/at-once.ts';
import { createPool, type Pool } from '../../domain/pool.ts';
import { createShares, type ShareRequest, type Shares } from '../../domain/share.ts';
import type { Plan } from '../../domain/plan.ts';
import { formatTenant } from '../../domain/words.ts';
import { createHealthLook } from '../../steps/look-at-health.ts';
import type { Workbench } from '../../steps/workbench.ts';
import { Governor } from '../governor.ts';
import type { WorkerEnvironment } from './opened.ts';

/** How long a gate that nobody uses goes on looking at its servers: runs of many small windows come and go. */
const LINGER_MS = 60_000;

/** A cluster as this worker sees it: its health, its calendar, its limits. */
interface Gate {
  readonly governor: Governor;
  readonly windows: Pool;
  readonly atOnce: WindowsAtOnce;
  readonly end: AbortController;
  users: number;
  reason: string | null;
  linger: NodeJS.Timeout | undefined;
}

/** What a window asks to pass. */
export interface Passing {
  readonly bench: Workbench;
  readonly plan: Plan;
  readonly signal: AbortSignal;
  /** Hears what is waited for; null where nothing is. */
  readonly onWait: (reason: string | null) => void;
}

/**
 * Where windows wait for their turn on this worker: until the cluster's servers are well and its calendar is open, and
 * until a slot is free that tenants share fairly. Waiting costs a heartbeat and no history. Each worker has gates of its
 * own, so that limits of a cluster count for each worker that serves it.
 */
export class Gates {
  readonly #environment: WorkerEnvironment;
  readonly #shares: Shares;
  readonly #gates = new Map<string, Promise<Gate>>();

  constructor(environment: WorkerEnvironment) {
    const { fleetWindows, clusterWindows, serverWindows, windows } = environment.limits;
    this.#environment = environment;
    this.#shares = createShares({
      total: fleetWindows,
      perCluster: clusterWindows,
      perServer: serverWindows,
      perTenant: windows,
    });
  }

  /** Runs a window's task when it may begin. */
  async run<T>(passing: Passing, task: () => Promise<T>): Promise<T> {
    const { bench, signal, onWait } = passing;
    const { cluster } = bench.tenant;
    const gate = await this.#enter(cluster, passing);
    const request: ShareRequest = {
      cluster,
      server: this.#environment.serverOf(cluster),
      tenant: formatTenant(bench.tenant),
    };
    const ticker = setInterval(() => onWait(this.#whatFor(gate, request)), 500);
    const begun = () => {
      clearInterval(ticker);
      onWait(null);
    };
    try {
      await unlessAborted(signal, gate.governor.pass());
      return await waiting(signal, gate.windows, () =>
        this.#shares.run(
          request,
          () => {
            begun();
            return task();
          },
          signal,
        ),
      );
    } finally {
      clearInterval(ticker);
      this.#leave(cluster, gate);
    }
  }

  /** A window was tried again because a server was overloaded: fewer at once from now on. */
  async slower(cluster: string): Promise<void> {
    (await this.#known(cluster))?.atOnce.overloaded();
  }

  async wentWell(cluster: string): Promise<void> {
    (await this.#known(cluster))?.atOnce.wentWell();
  }

  /** The gate of a cluster, where there is one: whoever opens it hears why that fails. */
  #known(cluster: string): Promise<Gate | undefined> {
    return Promise.resolve(this.#gates.get(cluster)).catch(() => undefined);
  }

  /** Looks at no server any more. */
  async close(): Promise<void> {
    for (const cluster of this.#gates.keys()) (await this.#known(cluster))?.end.abort();
    this.#gates.clear();
  }

  #whatFor(gate: Gate, { cluster, tenant }: ShareRequest): string | null {
    const waits = this.#shares.waiting().find((one) => one.cluster === cluster && one.tenant === tenant);
    return gate.reason ?? waits?.reason ?? 'a free slot of this worker';
  }

  async #enter(cluster: string, passing: Passing): Promise<Gate> {
    let opening = this.#gates.get(cluster);
    if (!opening) {
      opening = this.#open(passing);
      this.#gates.set(cluster, opening);
      opening.catch(() => this.#gates.delete(cluster));
    }
    const gate = await opening;
    clearTimeout(gate.linger);
    gate.users += 1;
    return gate;
  }

  #leave(cluster: string, gate: Gate): void {
    gate.users -= 1;
    if (gate.users > 0) return;
    gate.linger = setTimeout(() => {
      gate.end.abort();
      this.#gates.delete(cluster);
    }, LINGER_MS);
    gate.linger.unref();
  }

  async #open(passing: Passing): Promise<Gate> {
    const { bench } = passing;
    const { clusterWindows, healthSeconds } = this.#environment.limits;
    const { plan } = passing;
    const [ledger, governed] = await Promise.all([this.#environment.ledger(), this.#environment.governed(plan)]);
    const windows = createPool(clusterWindows);
    const atOnce = new WindowsAtOnce(clusterWindows, (size) => windows.resize(size));
    const look = createHealthLook(bench, governed.health);
    const governor = new Governor({
      look: () => look.look(),
      ...governed,
      everySeconds: healthSeconds,
      setByHand: () => ledger.liveLimit(bench.tenant.cluster),
      largest: clusterWindows,
      onLook: (health, most) => atOnce.told(bench.tenant.cluster, health, most),
      // What is left of all runs on the cluster is not known here.
      secondsLeft: () => null,
      onLate: () => undefined,
      onChange: (reason) => {
        gate.reason = reason;
      },
    });
    const gate: Gate = {
      governor,
      windows,
      atOnce,
      end: new AbortController(),
      users: 0,
      reason: null,
      linger: undefined,
    };
    await governor.start(gate.end.signal);
    return gate;
  }
}

/** Runs a task in a pool; aborting gives up the place in it, and leaves a task that was begun to end by itself. */
function waiting<T>(signal: AbortSignal, pool: Pool, task: () => Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(reasonOf(signal));
    signal.addEventListener('abort', abort, { once: true });
    pool
      .run(async () => {
        signal.removeEventListener('abort', abort);
        signal.throwIfAborted();
        return task();
      })
      .then(resolve, reject);
  });
}

async function unlessAborted(signal: AbortSignal, waited: Promise<void>): Promise<void> {
  signal.throwIfAborted();
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(reasonOf(signal));
    signal.addEventListener('abort', abort, { once: true });
  });
  await Promise.race([waited, aborted]).finally(() => signal.removeEventListener('abort', abort));
}

function reasonOf({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error('stopped');
}
