import { defineConfig } from 'vitest/config';

/**
 * What is too slow for `npm test`: clusters of several servers and fleets of many tenants, on servers of their own; all of
 * the sample data; real timeouts; writers that go on.
 */
export const CLUSTERS = [
  'test/cluster/**/*.test.ts',
  'test/fleet/{command,control,first,governor,programs}.test.ts',
  'test/embedded/{fleet,sample}.test.ts',
  'test/run/{cut,lightweight,live-writers,sweep,untouched}.test.ts',
  'test/backfill/*.test.ts',
];

export default defineConfig({
  test: {
    include: CLUSTERS,
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
