import { halve, isHalved } from '../domain/halve.ts';
import type { Limits } from '../domain/limits.ts';
import { DEFAULT_PACE, isTooSlow, type WindowSample } from '../domain/pace.ts';
import type { ErrorCode } from '../domain/catalogue.ts';
import type { AttemptRecord, Ledger, WindowRecord } from '../ledger/ledger.ts';
import { debugPoint } from './debug-points.ts';

/** Why a window is cut, and where; null where it stays as it is. */
export interface Cut {
  readonly at: string;
  /** What a person is told. */
  readonly notice: string;
}

/** Why attempts failed. */
export function failuresOf(attempts: readonly AttemptRecord[]): readonly ErrorCode[] {
  return attempts.flatMap(({ failure }) => (failure === null ? [] : [failure]));
}

/** A window that failed too often of too much work at once is cut in half, into minutes if it must be. */
export function cutOfFailures(window: WindowRecord, failures: readonly ErrorCode[]): Cut | null {
  if (!isHalved(failures)) return null;
  const halved = halve(window);
  if (!halved) return null;
  const at = halved.windows[0].to;
  const plain = `the window ${window.from} to ${window.to} is cut at ${at}: it failed ${failures.length} times (${failures.at(-1)})`;
  return { at, notice: halved.notice ?? plain };
}

/** A window that would take twice as long as is aimed at, by what the last ones took, is cut, into hours at most. */
export function cutOfPace(
  window: WindowRecord,
  samples: readonly WindowSample[],
  { windowSeconds }: Pick<Limits, 'windowSeconds'>,
): Cut | null {
  if (!isTooSlow(window.sourceRows, samples, { ...DEFAULT_PACE, aimSeconds: windowSeconds })) return null;
  const halved = halve(window);
  if (!halved || halved.notice !== null) return null;
  const at = halved.windows[0].to;
  return {
    at,
    notice: `the window ${window.from} to ${window.to} is cut at ${at}: it would take more than twice the ${windowSeconds} s that a window aims at`,
  };
}

/** Cuts a window in the ledger; returns what it has become. */
export async function cutWindow(ledger: Ledger, run: string, window: WindowRecord, { at }: Cut) {
  await debugPoint('window-cutting');
  await ledger.cutWindow(run, window.id, at);
  await debugPoint('window-cut');
  return (await ledger.windows(run, { delete: window.delete })).filter(
    (w) => w.from >= window.from && w.to <= window.to,
  );
}
