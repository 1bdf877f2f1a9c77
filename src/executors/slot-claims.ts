import { randomUUID } from 'node:crypto';
import { RefillError } from '../domain/errors.ts';
import type { Shares } from '../domain/share.ts';
import { placeKey, placesOf, type SharePlace, type ShareRequest } from '../domain/share-limits.ts';
import { within } from '../domain/within.ts';
import type { Actor, Ledger } from '../ledger/ledger.ts';
import type { SlotHolder, SlotRefusal, SlotUse } from '../ledger/slot-ledger.ts';

/** The ledger doubts a program of which it has not heard for 5 s: see the migration "slots". */
const BEAT_MS = 2_000;
/**
 * How long a place that is full stays shut before the ledger is asked again: a moment at first, as a window of almost nothing
 * is over by then, and a second in the end. More or less by a quarter, so that programs do not ask in step.
 */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
const JITTER = 0.25;
/** A window's end does not wait for a ledger that is away: the next beat tells that its slot is free. */
const FREE_MS = 1_000;
const CLOSE_MS = 2_000;

/** How a place stands that the ledger called full. */
interface Pause {
  readonly ms: number;
  /** Undefined when it is over, and the place is open again. */
  timer: NodeJS.Timeout | undefined;
}

const FLEET: SharePlace = { of: 'fleet', name: '' };

/**
 * Asks the ledger for each slot that this program gives to a window, so that the limits count over all programs that share
 * the ledger. Where one is full, the place is shut for a moment: this program's own slot goes to who waits for another place,
 * and who waits there is chosen anew, as fairly as ever, when it is open again.
 *
 * What is asked and told goes one after another, so that the ledger hears it in the order in which slots were given, and no
 * beat tells of a slot that was given back before.
 */
export class SlotClaims {
  readonly #ledger: () => Promise<Ledger>;
  readonly #holder: SlotHolder;
  readonly #shares: Shares;
  readonly #held = new Map<number, SlotUse>();
  readonly #pauses = new Map<string, Pause>();
  #asked = 0;
  #last: Promise<unknown> = Promise.resolve();
  #beat: NodeJS.Timeout | undefined;

  constructor({
    ledger,
    actor,
    shares,
  }: {
    readonly ledger: () => Promise<Ledger>;
    readonly actor: Actor;
    readonly shares: Shares;
  }) {
    this.#ledger = ledger;
    this.#holder = { id: randomUUID(), actor };
    this.#shares = shares;
  }

  /** See `Admit`. A ledger that is away lets nothing begin, as one that is full. */
  async admit(request: ShareRequest): Promise<(() => Promise<void>) | null> {
    return await this.#next(async () => {
      // Shut since this one was given a slot here, by the answer to another one.
      if (placesOf(request).some((place) => this.#pauses.get(placeKey(place))?.timer !== undefined)) return null;
      this.#asked += 1;
      const { cluster, server, run = '', window = null } = request;
      const use: SlotUse = { number: this.#asked, cluster, server, run, window };
      try {
        const ledger = await this.#ledger();
        const refusal = await ledger.takeSlot(this.#holder, use, this.#shares.limitsOf(request));
        if (refusal) {
          const place = placesOf(request).find(({ of }) => of === refusal.full) ?? FLEET;
          this.#shut(place, reasonOf(place, refusal, this.#shares.limitsOf(request)[place.of]));
          return null;
        }
      } catch (error) {
        if (!(error instanceof RefillError && error.code === 'LEDGER_UNREACHABLE')) throw error;
        this.#shut(FLEET, `the ledger (${error.code})`);
        return null;
      }
      this.#held.set(use.number, use);
      this.#keepBeating();
      for (const place of placesOf(request)) this.#open(place);
      return () => this.#free(request, use);
    });
  }

  /** No beat and no question any more; the ledger is told so, where it answers. */
  async close(): Promise<void> {
    clearInterval(this.#beat);
    for (const { timer } of this.#pauses.values()) clearTimeout(timer);
    if (this.#asked === 0) return;
    const leave = this.#next(async () => (await this.#ledger()).leaveSlots(this.#holder.id));
    await within(
      CLOSE_MS,
      leave.catch(() => undefined),
      undefined,
    );
  }

  #next<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#last.then(task);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #free(request: ShareRequest, { number }: SlotUse): Promise<void> {
    this.#held.delete(number);
    const told = this.#next(async () => (await this.#ledger()).freeSlot(this.#holder.id, number));
    await within(
      FREE_MS,
      told.catch(() => undefined),
      undefined,
    );
    // There is room now, unless another program has waited longer: that is asked at once.
    for (const place of placesOf(request)) this.#open(place);
  }

  #keepBeating(): void {
    if (this.#beat) return;
    let beating = false;
    this.#beat = setInterval(() => {
      if (beating || this.#held.size === 0) return;
      beating = true;
      void this.#next(async () => (await this.#ledger()).keepSlots(this.#holder, [...this.#held.values()]))
        // What it could not tell is told with the next one.
        .catch(() => undefined)
        .finally(() => (beating = false));
    }, BEAT_MS);
    this.#beat.unref();
  }

  /** Lets nobody in for a moment, a longer one each time. */
  #shut(place: SharePlace, reason: string): void {
    const key = placeKey(place);
    const before = this.#pauses.get(key);
    clearTimeout(before?.timer);
    const ms = before ? Math.min(before.ms * 2, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
    const pause: Pause = {
      ms,
      timer: setTimeout(
        () => {
          pause.timer = undefined;
          this.#shares.open(place);
        },
        ms * (1 - JITTER + 2 * JITTER * Math.random()),
      ),
    };
    this.#pauses.set(key, pause);
    this.#shares.shut(place, reason);
  }

  #open(place: SharePlace): void {
    const key = placeKey(place);
    clearTimeout(this.#pauses.get(key)?.timer);
    if (this.#pauses.delete(key)) this.#shares.open(place);
  }
}

const NAMES: Readonly<Record<SharePlace['of'], (name: string) => string>> = {
  server: (name) => `Postgres server ${name}`,
  cluster: (name) => `cluster ${name}`,
  fleet: () => 'the fleet',
};

/** As every other reason for waiting: what is full, and who has it. */
function reasonOf({ of, name }: SharePlace, { used, others, turn }: SlotRefusal, limit: number): string {
  const place = NAMES[of](name);
  if (turn) return `${place} (another program has waited longer)`;
  const whose =
    others < used ? `${others} of them by other programs` : used === 1 ? 'by another program' : 'all by other programs';
  return `${place} (${used} of ${limit} windows at work${others === 0 ? '' : `, ${whose}`})`;
}
