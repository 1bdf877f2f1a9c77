/**
 * What does the steps of a run. `local`: the program that began it. `temporal`: workers of a Temporal server, on any
 * machine. It is chosen when a run begins, and stays the run's for its whole life.
 */
export const EXECUTORS = ['local', 'temporal'] as const;
export type Executor = (typeof EXECUTORS)[number];
