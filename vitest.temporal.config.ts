import { defineConfig } from 'vitest/config';

/** The Temporal executor, on a Temporal server of its own: `npm run test:temporal`. */
export default defineConfig({
  test: {
    include: ['test/temporal/**/*.test.ts'],
    // Long: with the other faults, npm run test:faults.
    exclude: ['test/temporal/faults*.test.ts'],
    globalSetup: ['test/support/global-setup.ts', 'test/temporal/global-setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    // What a test waits for may take a run's checks, on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    // One file at a time: each starts workers, and bundles their workflows.
    maxWorkers: 1,
  },
});
