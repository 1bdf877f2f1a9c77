import { HEALTH_STATES, type HealthState } from './indicators.ts';

/**
 * How many windows run at once, as data: an overloaded server halves it at once, and it grows by one when as many went
 * well as run side by side. Halving and adding one is what lets several runs on one server settle at equal parts.
 */
export interface AtOnce {
  readonly size: number;
  /** Windows that went well since the last change. */
  readonly well: number;
}

/** A run begins with what its limits allow. */
export const atOnce = (largest: number): AtOnce => ({ size: Math.max(1, largest), well: 0 });

/** A server said that it is overloaded, or an indicator slowed or held the run. */
export const fewer = ({ size }: AtOnce): AtOnce => ({ size: Math.max(1, Math.floor(size / 2)), well: 0 });

/**
 * A window went well.
 *
 * @param health More come only where it is `go`: what goes well on a slowed server does so because it was slowed.
 */
export function wentWell(now: AtOnce, largest: number, health: HealthState = 'go'): AtOnce {
  if (health !== 'go') return { ...now, well: 0 };
  if (now.well + 1 < now.size || now.size >= largest) return { ...now, well: now.well + 1 };
  return { size: now.size + 1, well: 0 };
}

/** What health leads to, once for each change: it is no worse for a server to be slow for long. */
export function healthChanged(now: AtOnce, from: HealthState, to: HealthState): AtOnce {
  switch (to) {
    case 'go':
      // After a hold one begins: all that waited would otherwise come back at once to what made the server sick.
      return from === 'hold' ? { size: 1, well: 0 } : now;
    case 'slow':
      return from === 'hold' ? { size: 1, well: 0 } : from === 'go' ? fewer(now) : now;
    case 'hold':
      return now;
  }
}

/** What a run last said. */
interface Told {
  readonly health: HealthState;
  readonly most: number;
}

/**
 * How many windows run at once: of one run, or in a fleet of all runs on a cluster together, which share its servers and
 * what they learn of them. The least counts of what was learnt and of what the runs say that a person or the calendar
 * allows; the health is the worst that one of them sees.
 */
export class WindowsAtOnce {
  /** What the limits allow at most. */
  readonly largest: number;
  readonly #resize: (windows: number) => void;
  readonly #told = new Map<string, Told>();
  #now: AtOnce;

  /** @param resize Called with every new number, which is never 0: a run that is held asks for no place. */
  constructor(largest: number, resize: (windows: number) => void) {
    this.largest = largest;
    this.#resize = resize;
    this.#now = atOnce(largest);
  }

  /** What a run's look at the servers led to, and the windows that a person and the calendar allow at most. */
  told(run: string, health: HealthState, most: number): void {
    const before = this.#health();
    this.#told.set(run, { health, most });
    this.#change(healthChanged(this.#now, before, this.#health()));
  }

  /** A run has ended: what it said counts no longer. */
  left(run: string): void {
    this.#told.delete(run);
    this.#change(this.#now);
  }

  /** A server said that it is overloaded. */
  overloaded(): void {
    this.#change(fewer(this.#now));
  }

  wentWell(): void {
    this.#change(wentWell(this.#now, this.largest, this.#health()));
  }

  #health(): HealthState {
    const worst = Math.max(0, ...[...this.#told.values()].map(({ health }) => HEALTH_STATES.indexOf(health)));
    return HEALTH_STATES[worst] ?? 'hold';
  }

  #change(now: AtOnce): void {
    this.#now = now;
    this.#resize(Math.max(1, Math.min(now.size, ...[...this.#told.values()].map(({ most }) => most))));
  }
}
