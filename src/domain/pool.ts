/** Runs tasks side by side, as many at once as is allowed just then. */
export interface Pool {
  run<T>(task: () => Promise<T>): Promise<T>;
}

/** A pool whose size follows what the servers bear. */
export interface AdaptivePool extends Pool {
  readonly size: number;
  /** A server said that it is overloaded: half as many from now on, at least one. */
  slower(): void;
  /** At most so many at once, whatever went well; at least one. */
  atMost(windows: number): void;
  /** A task went well: after as many as run side by side, one more, up to the largest size. */
  wentWell(): void;
}

/** Runs at most `largest` tasks at once, in the order in which they come. */
export function createPool(largest: number): AdaptivePool {
  let size = largest;
  let active = 0;
  let well = 0;
  let most = largest;
  const waiting: (() => void)[] = [];
  const admit = () => {
    while (active < Math.min(size, most)) {
      const next = waiting.shift();
      if (!next) return;
      active += 1;
      next();
    }
  };
  return {
    get size() {
      return size;
    },
    slower() {
      size = Math.max(1, Math.floor(size / 2));
      well = 0;
    },
    atMost(windows) {
      most = Math.max(1, windows);
      admit();
    },
    wentWell() {
      well += 1;
      if (well < size || size >= largest) return;
      size += 1;
      well = 0;
      admit();
    },
    async run(task) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        admit();
      });
      try {
        return await task();
      } finally {
        active -= 1;
        admit();
      }
    },
  };
}

/** A task runs when both admit it. It waits for the first one's place alone, so that it holds up nobody of the second. */
export function inBoth(first: Pool, second: Pool): Pool {
  return { run: (task) => first.run(() => second.run(task)) };
}
