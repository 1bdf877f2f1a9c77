import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { builtCli } from '../cli/built.ts';

const CHANGE = `import { patched as newer, sleep as pause } from '@temporalio/workflow';\n`;

/**
 * The built program as a next version of it: with another number, and with a change in a workflow that no old history
 * has, guarded as docs/temporal.md says. Returns its entry.
 */
export async function newerProgram(): Promise<string> {
  const dist = dirname(dirname(await builtCli()));
  const dir = await mkdtemp(join(tmpdir(), 'refill-newer-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await cp(dist, join(dir, 'dist'), { recursive: true });
  await symlink(join(dist, '..', 'node_modules'), join(dir, 'node_modules'));
  await edit(join(dist, '..', 'package.json'), join(dir, 'package.json'), /"version": "[^"]+"/u, '"version": "99.0.0"');
  const workflow = join(dir, 'dist', 'executors', 'temporal', 'workflows', 'tenant.js');
  await edit(workflow, workflow, /async run\(\) \{/u, `$& if (newer('a-newer-version')) await pause(1);`);
  // Else the workflows of the build would be taken, which were bundled before the change.
  await rm(join(dir, 'dist', 'executors', 'temporal', 'workflow-bundle.js'), { force: true });
  await writeFile(workflow, CHANGE + (await readFile(workflow, 'utf8')));
  return join(dir, 'dist', 'cli', 'main.js');
}

async function edit(from: string, to: string, what: RegExp, by: string): Promise<void> {
  const text = await readFile(from, 'utf8');
  if (!what.test(text)) throw new Error(`${from} has no ${what.source}`);
  await writeFile(to, text.replace(what, by));
}
