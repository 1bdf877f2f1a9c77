import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import type { EmbeddedInfo } from '../../src/embedded/info.ts';
import { builtCli } from '../cli/built.ts';
import { removeEmbedded, startEmbedded } from '../../src/embedded/stack.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    readonly stack: EmbeddedInfo;
  }
}

/**
 * One Postgres server and one ClickHouse engine for the whole test run; each test has databases of its own in them. They
 * are attached: they end with this process, however it ends. The program is built first, as tests start it for real.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await builtCli();
  const dir = await mkdtemp(join(tmpdir(), 'refill-test-'));
  const stack = await startEmbedded({ dir, attached: true });
  project.provide('stack', stack);
  return async () => {
    await removeEmbedded(dir);
  };
}
