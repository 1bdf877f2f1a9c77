/** Runs tasks side by side, as many at once as is allowed just then. */
export interface Pool {
  /** @param window Which window the task is about, for who shows what is at work. */
  run<T>(task: () => Promise<T>, window?: number): Promise<T>;
}

/** A pool whose size can be changed while it is at work. */
export interface ResizablePool extends Pool {
  /** So many at once from now on. What is at work is never taken away. */
  resize(size: number): void;
}

/** Runs at most `size` tasks at once, in the order in which they come. */
export function createPool(initial: number): ResizablePool {
  let size = initial;
  let active = 0;
  const waiting: (() => void)[] = [];
  const admit = () => {
    while (active < size) {
      const next = waiting.shift();
      if (!next) return;
      active += 1;
      next();
    }
  };
  return {
    resize(to) {
      size = to;
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
  return { run: (task, window) => first.run(() => second.run(task, window), window) };
}
