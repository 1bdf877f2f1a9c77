import { defineConfig } from 'vitest/config';

/**
 * What is shown for the local executor, shown for Temporal by the same tests: `npm run test:executors`. A worker in the
 * test's process does the steps.
 *
 * Not here, as nothing of it is an executor's: test/{config,contract,domain,embedded,ledger,report,scorers},
 * test/dataset but orders, test/run/progress, test/fleet/{domain,flow}, test/verify/{classify,merge-keys},
 * test/cluster/launcher. Not here, as it starts the command line or kills the program that does the steps:
 * test/{cli,faults}, test/fleet/command; test/temporal has such tests of its own. Not here, as backfills are no runs:
 * test/backfill; those of workflows are in test/temporal/takeover. Not here, as longer tests of this list show the same:
 * test/run/{around,order,refused,shards,versions}.
 */
export default defineConfig({
  test: {
    env: { REFILL_TEST_EXECUTOR: 'temporal' },
    include: [
      'test/run/{control,cut,disk-full,first,governor,lightweight,live-writers,part,rows-left,sweep,untouched}.test.ts',
      'test/fleet/{control,first,governor}.test.ts',
      'test/verify/{agreement,drift}.test.ts',
      'test/oracle/*.test.ts',
      'test/cluster/{run,statements}.test.ts',
      'test/dataset/orders.test.ts',
    ],
    globalSetup: ['test/support/global-setup.ts', 'test/temporal/global-setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    // What a test waits for may take a run's checks, on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    maxWorkers: 2,
  },
});
