import { defineConfig } from 'vitest/config';

/**
 * The corpus of faults that must never end in a false "everything is proven", nor damage anything around the range:
 * `npm run test:proof`. Each file plants one kind of fault in schemas and servers that are not the built-in ones.
 */
export default defineConfig({
  test: {
    include: ['test/proof/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // What a test waits for may take a run's checks, on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    maxWorkers: 2,
  },
});
