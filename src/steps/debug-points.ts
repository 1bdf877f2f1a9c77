import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Named places at every commit boundary, where a test can stop, fail or kill the program:
 * `REFILL_DEBUG_POINT=attempt-kept:kill`, `…:throw`, `…:sleep=5000`, `…:kill@2` for the second time it is
 * passed, and `…:sleep=400@all` for every time.
 * Without the variable each is one comparison.
 */
export const DEBUG_POINTS = [
  'run-created',
  'epoch-kept',
  'window-rehearsed',
  'mutations-kept',
  'mutation-sent',
  'mutations-assigned',
  'mutations-finished',
  'attempt-kept',
  'bypass-staged',
  'bypass-attached',
  'table-inserted',
  'window-inserted',
  'window-written',
  'window-cutting',
  'window-cut',
  'rows-proven',
  'delete-proven',
  'late-kept',
  'late-deleted',
  'rebuild-staged',
  'rebuild-cleared',
  'rebuild-written',
  'range-swept',
  'reindexer-started',
  'run-ending',
  'failure-kept',
  'verification-kept',
  'fleet-begun',
  'tenant-failure-kept',
  'fleet-ending',
  'fleet-ended',
  'chunk-judged',
  'chunk-kept',
  'chunk-committed',
  'chunk-closed',
] as const;
export type DebugPoint = (typeof DEBUG_POINTS)[number];

type Hook = (name: DebugPoint) => Promise<void> | void;
let hook: Hook | undefined;

/** For tests in this process: calls back at every point, which waits for it; nothing any more with `undefined`. */
export function onDebugPoint(called: Hook | undefined): void {
  hook = called;
}

const wanted = /^([\w-]+):(kill|throw|sleep)(?:=(\d+))?(?:@(\d+|all))?$/u.exec(process.env['REFILL_DEBUG_POINT'] ?? '');
let passed = 0;

export async function debugPoint(name: DebugPoint): Promise<void> {
  await hook?.(name);
  if (wanted?.[1] !== name) return;
  passed += 1;
  if (wanted[4] !== 'all' && passed !== Number(wanted[4] ?? 1)) return;
  if (wanted[2] === 'kill') process.kill(process.pid, 'SIGKILL');
  if (wanted[2] === 'throw') throw new Error(`debug point ${name}`);
  await sleep(Number(wanted[3] ?? 1000));
}
