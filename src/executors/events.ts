/** A queue that one side fills and the other reads as an async iterable. */
export interface EventQueue<T> extends AsyncIterable<T> {
  push(event: T): void;
  /** Ends the iteration after what is queued. */
  end(): void;
  /** Ends the iteration with an error after what is queued. */
  fail(error: unknown): void;
}

export function createEventQueue<T>(): EventQueue<T> {
  const queued: T[] = [];
  let ended = false;
  let failure: { error: unknown } | undefined;
  let wake: () => void = () => undefined;
  return {
    push(event) {
      queued.push(event);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    fail(error) {
      failure = { error };
      ended = true;
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const next = queued.shift();
        if (next !== undefined) yield next;
        else if (failure) throw failure.error;
        else if (ended) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    },
  };
}
