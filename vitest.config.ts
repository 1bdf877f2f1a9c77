import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Long suites of faults have a command of their own: npm run test:faults.
    exclude: ['test/faults/**'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores, which the servers need too.
    maxWorkers: 2,
  },
});
