import { defineConfig } from 'vitest/config';

/** Clusters of several servers and fleets of many tenants: on servers of their own, slower than `npm test`. */
export const CLUSTERS = [
  'test/cluster/**/*.test.ts',
  'test/fleet/{command,control,first,governor}.test.ts',
  'test/embedded/fleet.test.ts',
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
