import { setTimeout as sleep } from 'node:timers/promises';

/** What a task comes to, or `instead` where it takes longer than so many milliseconds: for what can be done without. */
export async function within<T>(milliseconds: number, task: Promise<T>, instead: T): Promise<T> {
  const timer = new AbortController();
  try {
    return await Promise.race([task, sleep(milliseconds, instead, { signal: timer.signal }).catch(() => instead)]);
  } finally {
    timer.abort();
  }
}
