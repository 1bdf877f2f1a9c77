import type { WindowsAtOnce } from '../../domain/at-once.ts';
import type { ShareRequest } from '../../domain/share-limits.ts';
import type { Plan } from '../../domain/plan.ts';
import { formatTenant } from '../../domain/words.ts';
import { createHealthLook, type PartsBaseline } from '../../steps/look-at-health.ts';
import type { Workbench } from '../../steps/workbench.ts';
import { Governor } from '../governor.ts';
import { Slots } from '../slots.ts';
import { watchWanted } from '../watch-wanted.ts';
import type { WorkerEnvironment } from './opened.ts';

/** How long the gate of a run that nobody uses goes on looking at its servers: the run's next unit comes soon. */
const LINGER_MS = 60_000;
/** How often who waits is told for what. */
const TELL_MS = 500;

/** A run as this worker sees it: the health of its servers, its calendar, its limits. */
interface Gate {
  readonly governor: Governor;
  readonly atOnce: WindowsAtOnce;
  readonly end: AbortController;
  users: number;
  /** What slows or holds the run; null where nothing does. */
  reason: string | null;
  linger: NodeJS.Timeout | undefined;
}

/** What asks to pass. */
export interface Passing {
  readonly run: string;
  readonly bench: Workbench;
  readonly plan: Plan;
  readonly signal: AbortSignal;
  /** Hears what is waited for; null where nothing is. */
  readonly onWait: (reason: string | null) => void;
  /** Hears what slows or holds the run on this worker; null where nothing does. */
  readonly onGoverned: (reason: string | null) => void;
}

/** Why nobody waits any more of a run that was paused or cancelled. */
const LEFT = new Error('the run is to begin nothing more');

/**
 * Where windows and deletes wait for their turn on this worker: until the servers of their run are well and its calendar
 * is open, and windows until a slot is free that tenants share fairly, and programs by the ledger. Waiting costs a heartbeat
 * and no history.
 */
export class Gates {
  readonly #environment: WorkerEnvironment;
  readonly #slots: Slots;
  readonly #gates = new Map<string, Promise<Gate>>();
  /** By run, for as long as it lasts: a gate that nobody has used for a while goes, and its parts stay what they were. */
  readonly #baselines = new Map<string, PartsBaseline>();

  constructor(environment: WorkerEnvironment) {
    this.#environment = environment;
    const { limits, actor } = environment;
    this.#slots = new Slots({ limits, actor, ledger: () => environment.ledger() });
  }

  /** Does something when the run may begin something new. Null where it is to begin nothing more: nothing was done. */
  async whenOpen<T>(passing: Passing, task: () => Promise<T>): Promise<{ readonly result: Awaited<T> } | null> {
    return await this.#through(passing, async (gate, stop, begun) => {
      await unlessAborted(stop, gate.governor.pass());
      begun();
      return { result: await task() };
    });
  }

  /** The same in a slot. One that is held while it waits for the slot gives it back: others could use it. */
  async inSlot<T>(
    passing: Passing,
    window: number,
    task: () => Promise<T>,
  ): Promise<{ readonly result: Awaited<T> } | null> {
    const request = { ...(await this.#requestOf(passing)), run: passing.run, window };
    return await this.#through(passing, async (gate, stop, begun) => {
      const inSlot = async () => {
        if (gate.governor.holds) return null;
        begun();
        return { result: await task() };
      };
      for (;;) {
        await unlessAborted(stop, gate.governor.pass());
        const done = await this.#slots.shares.run(request, inSlot, stop);
        if (done) return done;
      }
    });
  }

  /** A window was tried again because a server was overloaded: fewer at once from now on. */
  slower(cluster: string): void {
    this.#slots.on(cluster).overloaded();
  }

  wentWell(cluster: string): void {
    this.#slots.on(cluster).wentWell();
  }

  /** A run has ended. */
  forget(run: string): void {
    this.#baselines.delete(run);
    const opening = this.#gates.get(run);
    void opening?.then(
      (gate) => this.#end(run, gate),
      () => undefined,
    );
  }

  /** Looks at no server any more. */
  async close(): Promise<void> {
    for (const [run, opening] of this.#gates) {
      const gate = await opening.catch(() => undefined);
      if (gate) this.#end(run, gate);
    }
    await this.#slots.close();
  }

  async #through<T>(
    passing: Passing,
    wait: (gate: Gate, stop: AbortSignal, begun: () => void) => Promise<T>,
  ): Promise<T | null> {
    const { run, signal, onWait, onGoverned } = passing;
    const ledger = await this.#environment.ledger();
    const gate = await this.#enter(passing);
    const [leave, waited] = [new AbortController(), new AbortController()];
    const tell = () => {
      onGoverned(gate.reason);
      if (!waited.signal.aborted) onWait(gate.governor.holds ? null : this.#slotFor(passing));
    };
    const ticker = setInterval(tell, TELL_MS);
    const begun = () => {
      waited.abort();
      onWait(null);
      onGoverned(gate.reason);
    };
    // A signal to the workflow does not reach what waits here.
    const watching = watchWanted(
      () => ledger.wanted(run),
      waited.signal,
      (wanted) => {
        if (wanted !== 'run') leave.abort(LEFT);
      },
    );
    try {
      return await wait(gate, AbortSignal.any([signal, leave.signal]), begun);
    } catch (error) {
      if (error === LEFT) return null;
      throw error;
    } finally {
      clearInterval(ticker);
      waited.abort();
      this.#leave(run, gate);
      await watching;
    }
  }

  async #requestOf({ bench }: Passing): Promise<ShareRequest> {
    const { cluster } = bench.tenant;
    return { cluster, server: await this.#environment.serverOf(cluster), tenant: formatTenant(bench.tenant) };
  }

  #slotFor({ bench }: Passing): string | null {
    return this.#slots.waitsOf(bench.tenant.cluster, formatTenant(bench.tenant));
  }

  async #enter(passing: Passing): Promise<Gate> {
    const { run } = passing;
    let opening = this.#gates.get(run);
    if (!opening) {
      opening = this.#open(passing);
      this.#gates.set(run, opening);
      opening.catch(() => this.#gates.delete(run));
    }
    const gate = await opening;
    clearTimeout(gate.linger);
    gate.users += 1;
    return gate;
  }

  #leave(run: string, gate: Gate): void {
    gate.users -= 1;
    if (gate.users > 0 || gate.end.signal.aborted) return;
    gate.linger = setTimeout(() => this.#end(run, gate), LINGER_MS);
    gate.linger.unref();
  }

  #end(run: string, gate: Gate): void {
    clearTimeout(gate.linger);
    gate.end.abort();
    gate.atOnce.left(run);
    this.#gates.delete(run);
  }

  async #open({ run, bench, plan }: Passing): Promise<Gate> {
    const { limits } = this.#environment;
    const [ledger, governed] = await Promise.all([this.#environment.ledger(), this.#environment.governed(plan)]);
    const { cluster } = bench.tenant;
    const atOnce = this.#slots.on(cluster);
    const baseline: PartsBaseline = this.#baselines.get(run) ?? new Map();
    this.#baselines.set(run, baseline);
    const look = createHealthLook(bench, governed.health, baseline);
    const end = new AbortController();
    const governor = new Governor({
      look: () => look.look(),
      ...governed,
      everySeconds: limits.healthSeconds,
      setByHand: () => ledger.liveLimit(cluster),
      largest: atOnce.largest,
      onLook: (health, most) => {
        if (!end.signal.aborted) atOnce.told(run, health, most);
      },
      // Whoever follows the run knows what is left of it, and warns.
      secondsLeft: () => null,
      onLate: () => undefined,
      onChange: (reason) => {
        gate.reason = reason;
      },
    });
    const gate: Gate = { governor, atOnce, end, users: 0, reason: null, linger: undefined };
    await governor.start(end.signal);
    return gate;
  }
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
