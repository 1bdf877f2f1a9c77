import { defineConfig } from 'vitest/config';

/**
 * What is too slow for `npm test`, which takes some minutes: clusters of several servers and fleets of many tenants, on
 * servers of their own; all of the sample data; real timeouts; writers that go on; the command line started many times. What
 * such a test shows of the core's promises, a quicker one shows in `npm test`: test/run/{around,order,shards,versions}.
 */
export const CLUSTERS = [
  'test/cluster/**/*.test.ts',
  'test/fleet/{collide,command,control,first,governor,programs}.test.ts',
  'test/embedded/{fleet,sample}.test.ts',
  'test/run/{cut,disk-full,governor,lightweight,live-writers,rows-left,sweep,untouched}.test.ts',
  'test/backfill/*.test.ts',
  'test/contract/{bad-input,contract}.test.ts',
  'test/dataset/scan.test.ts',
  'test/oracle/*.test.ts',
];

export default defineConfig({
  test: {
    include: CLUSTERS,
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    // What a test waits for may take a run's checks, on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    maxWorkers: 2,
  },
});
