import { defineConfig } from 'vitest/config';

/** Faults: killed programs and servers. Slower than `npm test`, and on servers of their own. */
export default defineConfig({
  test: {
    include: ['test/faults/**/*.test.ts', 'test/temporal/faults*.test.ts'],
    globalSetup: ['test/support/global-setup.ts', 'test/temporal/global-setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    // What a test waits for may take a run's checks, on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    maxWorkers: 2,
  },
});
