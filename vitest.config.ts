import { defineConfig } from 'vitest/config';
import { CLUSTERS } from './vitest.clusters.config.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Long suites have commands of their own: npm run test:clusters, test:temporal, test:proof, test:faults.
    exclude: ['test/faults/**', 'test/temporal/**', 'test/proof/**', ...CLUSTERS],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores, which the servers need too: with three files at once each takes twice as long.
    maxWorkers: 2,
  },
});
