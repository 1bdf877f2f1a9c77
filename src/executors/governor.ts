import { setTimeout as sleep } from 'node:timers/promises';
import { allowed, type Allowed, deadlineWarning } from '../domain/calendar.ts';
import type { Calendar } from '../domain/calendar-rules.ts';
import { type Health, judge, type Reading } from '../domain/health.ts';
import type { HealthLimits, HealthState } from '../domain/indicators.ts';
import type { Instant } from '../domain/words.ts';
import { within } from '../domain/within.ts';

/** How long the first look at the servers may take before windows begin without it. */
const FIRST_LOOK_MS = 30_000;

export interface GovernorOptions {
  /** Looks at the servers; never throws. */
  readonly look: () => Promise<readonly Reading[]>;
  readonly health: HealthLimits;
  /** Seconds between looks. */
  readonly everySeconds: number;
  /** Null: always open. */
  readonly calendar: Calendar | null;
  /** Windows at once that somebody has set while runs are at work (`refill limits`); null where nobody has. */
  readonly setByHand: () => Promise<number | null>;
  /** Windows at once without any of this: of the run, or in a fleet of its cluster. */
  readonly largest: number;
  /** Called after each look with the health, and with the windows that a person and the calendar allow at most: any number where neither says one. */
  readonly onLook: (health: HealthState, most: number) => void;
  /** Seconds of work left; null where that is not known. */
  readonly secondsLeft: () => number | null;
  /** Called when a deadline will not be kept, as far as is known. */
  readonly onLate: (warning: string) => void;
  /** Called when the reason for what it allows changes, be it by a number; null: everything. */
  readonly onChange: (reason: string | null) => void;
}

const windowsOf = (n: number) => `${n} ${n === 1 ? 'window' : 'windows'}`;

/**
 * Slows or holds a run by the servers' health, the calendar and what somebody sets by hand. What is at work is never
 * stopped: only what is new waits.
 */
export class Governor {
  readonly #options: GovernorOptions;
  #health: Health | null = null;
  #calendar: Allowed | null = null;
  #held = false;
  #reason: string | null = null;
  #waiting: (() => void)[] = [];
  #left = false;
  #warned = false;
  /** What was last known to be set: a ledger that does not answer lifts no hold. */
  #byHand: number | null = null;

  constructor(options: GovernorOptions) {
    this.#options = options;
  }

  /** Whether whoever comes now has to wait. */
  get holds(): boolean {
    return this.#held && !this.#left;
  }

  /** Resolves when something new may be begun, or when `leave` says that nothing will be. */
  async pass(): Promise<void> {
    while (this.holds) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Lets everybody through who waits: nothing new is begun any more. */
  leave(): void {
    this.#left = true;
    this.#wake();
  }

  /** Looks until `signal`. Returns after the first look, or without it after 30 s; what it goes on with never rejects. */
  async start(signal: AbortSignal): Promise<void> {
    await within(FIRST_LOOK_MS, this.#lookUntil(signal), undefined);
  }

  async #lookUntil(signal: AbortSignal): Promise<void> {
    await this.#look(signal);
    void (async () => {
      while (!signal.aborted) {
        await sleep(this.#options.everySeconds * 1000, undefined, { signal }).catch(() => undefined);
        if (!signal.aborted) await this.#look(signal);
      }
    })();
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { look, health, setByHand, onLook, onChange } = this.#options;
    const [readings, byHand] = await Promise.all([look(), setByHand().catch(() => this.#byHand)]);
    // What a run says after its end would slow the others of its cluster for good.
    if (signal.aborted) return;
    this.#byHand = byHand;
    this.#health = judge(this.#health, readings, health);
    const { state } = this.#health;
    const calendar = this.#open(new Date().toISOString());
    const most = Math.min(byHand ?? Infinity, calendar?.windows ?? Infinity);
    onLook(state, most);
    this.#held = state === 'hold' || calendar?.open === false || most === 0;
    this.#warn();
    const reason = this.#why(state !== 'go', calendar, byHand);
    if (!this.#held) this.#wake();
    if (reason === this.#reason) return;
    this.#reason = reason;
    onChange(reason);
  }

  /** Once a run: a deadline warns, and stops nothing. */
  #warn(): void {
    const { calendar, secondsLeft, onLate } = this.#options;
    if (!calendar || this.#warned) return;
    const warning = deadlineWarning(calendar, new Date().toISOString(), secondsLeft());
    if (warning === null) return;
    this.#warned = true;
    onLate(warning);
  }

  /** What the calendar says, asked once until it changes. */
  #open(now: Instant): Allowed | null {
    if (!this.#options.calendar) return null;
    if (this.#calendar && (this.#calendar.until === null || now < this.#calendar.until)) return this.#calendar;
    this.#calendar = allowed(this.#options.calendar, now);
    return this.#calendar;
  }

  #why(sick: boolean, calendar: Allowed | null, byHand: number | null): string | null {
    const until = calendar?.until ? `, until ${calendar.until}` : '';
    if (calendar?.open === false) return `held: ${calendar.reason}${until}`;
    if (byHand === 0) return 'held: no windows are allowed, by `refill limits`';
    if (sick) return `${this.#health?.state === 'hold' ? 'held' : 'slowed'}: ${this.#health?.reason ?? 'unknown'}`;
    if (byHand !== null && byHand < this.#options.largest) return `at most ${windowsOf(byHand)}, by \`refill limits\``;
    if (calendar?.windows !== undefined && calendar.windows < this.#options.largest)
      return `at most ${windowsOf(calendar.windows)}: ${calendar.reason}${until}`;
    return null;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
