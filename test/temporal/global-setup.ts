import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startTemporal, stopTemporal } from '../../src/embedded/temporal.ts';
import { temporalBinary } from '../../src/embedded/temporal-binary.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Null where there is no `temporal` program; never so under CI. */
    readonly temporal: { readonly address: string; readonly namespace: string } | null;
  }
}

/** One Temporal server for the whole test run: that of the environment, or one of our own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const address = process.env['REFILL_TEST_TEMPORAL'];
  if (address !== undefined) {
    project.provide('temporal', { address, namespace: 'ingestion' });
    return () => Promise.resolve();
  }
  if (temporalBinary() === null) {
    const how = 'node scripts/temporal.mjs';
    if (process.env['CI'] === 'true') throw new Error(`no temporal program was found: ${how}`);
    console.warn(`tests of the Temporal executor are skipped: no temporal program was found (${how})`);
    project.provide('temporal', null);
    return () => Promise.resolve();
  }
  const dir = await mkdtemp(join(tmpdir(), 'refill-temporal-'));
  const server = await startTemporal({ dir, namespace: 'ingestion', attached: true });
  project.provide('temporal', { address: server.address, namespace: server.namespace });
  return async () => {
    await stopTemporal(server);
    await rm(dir, { recursive: true, force: true });
  };
}
