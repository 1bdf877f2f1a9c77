/** What decides whether something new may be begun. */
export interface MayBegin {
  /** Waits while the servers or the calendar hold new work; false where nothing new is to be begun any more. */
  readonly mayBegin: () => Promise<boolean>;
}

/**
 * Runs tasks side by side and waits for all of them, then throws what the first one threw: none may go on unseen. One
 * throws only where its failure could not be kept; then the others begin nothing new.
 */
export async function all<C extends MayBegin, T>(
  context: C,
  tasks: readonly ((context: C) => Promise<T>)[],
): Promise<readonly T[]> {
  let broken = false;
  const own = { ...context, mayBegin: async () => !broken && (await context.mayBegin()) && !broken };
  const settled = await Promise.allSettled(
    tasks.map((task) =>
      task(own).catch((error: unknown) => {
        broken = true;
        throw error;
      }),
    ),
  );
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}
