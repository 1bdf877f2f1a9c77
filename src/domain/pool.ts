/** Runs tasks side by side, as many at once as is allowed just then. */
export interface Pool {
  run<T>(task: () => Promise<T>, entering?: Entering): Promise<T>;
}

/** What a task comes with. */
export interface Entering {
  /** The window that it is about, for who shows what is at work. */
  readonly window?: number;
  /** Aborting gives the place in the queue up. A task that was admitted looks at its signal itself. */
  readonly signal?: AbortSignal;
  /** Called where it has to wait. */
  readonly onWait?: () => void;
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
    async run(task, { signal, onWait } = {}) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        const enter = () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        };
        const leave = () => {
          waiting.splice(waiting.indexOf(enter), 1);
          reject(signal?.reason);
        };
        signal?.addEventListener('abort', leave, { once: true });
        waiting.push(enter);
        admit();
        if (waiting.includes(enter)) onWait?.();
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
  return { run: (task, entering) => first.run(() => second.run(task, entering), entering) };
}
