import { defineConfig } from 'vitest/config';
import { CLUSTERS } from './vitest.clusters.config.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Long suites have commands of their own: npm run test:clusters, test:temporal, test:proof, test:faults.
    exclude: ['test/faults/**', 'test/temporal/**', 'test/proof/**', ...CLUSTERS],
    globalSetup: ['test/support/global-setup.ts'],
    // Some tests start the command line several times; a machine that does other work as well takes its time.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // What a test waits for may take a run's checks, on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    // Two cores, which the servers need too: with three files at once each takes twice as long.
    maxWorkers: 2,
  },
});
