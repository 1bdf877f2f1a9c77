import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { WorkflowBundle } from '@temporalio/worker';
import { loaded } from './settings.ts';

type Code = Pick<WorkflowBundle, 'code'>;

/** Made by scripts/bundle-workflows.mjs, as a part of the build; there is none beside the source. */
const BUILT = new URL('workflow-bundle.js', import.meta.url);

let bundled: Promise<Code> | undefined;

/** The workflows' code as one bundle, for all workers of this process: that of the build, or made now (some seconds). */
export function workflowBundle(): Promise<Code> {
  return (bundled ??= readOrBundle());
}

async function readOrBundle(): Promise<Code> {
  const code = await readFile(BUILT, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return code === null ? await bundleWorkflows() : { code };
}

/** Bundles the workflows beside this file. */
export async function bundleWorkflows(): Promise<Code> {
  const sdk = await loaded(() => import('@temporalio/worker'));
  const own = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const path = (name: string) => fileURLToPath(new URL(`workflows/${name}.${own}`, import.meta.url));
  return await sdk.bundleWorkflowCode({
    workflowsPath: path('index'),
    payloadConverterPath: path('payload-converter'),
    logger: new sdk.DefaultLogger('ERROR'),
  });
}
