import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { directory, ORDERS } from './fixture.ts';

/** What differs between source and compiled program is tried in a compiled one: paths, and the script that needs it. */

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
let compiled = '';

beforeAll(async () => {
  compiled = await mkdtemp(join(tmpdir(), 'refill-compiled-'));
  await symlink(join(root, 'node_modules'), join(compiled, 'node_modules'));
  await cp(join(root, 'package.json'), join(compiled, 'package.json'));
  await cp(join(root, 'scripts'), join(compiled, 'scripts'), { recursive: true });
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  // Without checking types: that is another command's work, and it takes most of the time.
  const project = ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(compiled, 'dist'), '--noCheck'];
  await run(process.execPath, [tsc, ...project]);
}, 120_000);

afterAll(async () => rm(compiled, { recursive: true, force: true }));

test('a TypeScript configuration imports the compiled refill', async () => {
  const cwd = await directory({
    'refill.config.ts': `
import { defineConfig, defineDataset } from 'refill';
export default defineConfig({
  ledger: { host: 'a', user: 'b', database: 'c' },
  clusters: { east: { postgres: { host: 'a', user: 'b' }, clickhouse: { urls: ['http://a'], user: 'b' } } },
  datasets: ['scorecards', defineDataset(${JSON.stringify(ORDERS)})],
});
`,
    'main.mjs': `
import { pathToFileURL } from 'node:url';
const { loadConfig } = await import(pathToFileURL(process.argv[2]).href);
const { config } = await loadConfig({ cwd: import.meta.dirname });
console.log(JSON.stringify(config.datasets.map(({ name }) => name)));
`,
  });
  const { stdout } = await run(process.execPath, [join(cwd, 'main.mjs'), join(compiled, 'dist/config/load.js')]);
  expect(JSON.parse(stdout)).toEqual(['scorecards', 'orders']);
});

test('the script writes config.schema.json, and --check tells one that is out of date', async () => {
  const script = [join(compiled, 'scripts/config-schema.mjs')];
  const file = join(compiled, 'config.schema.json');
  await run(process.execPath, script);
  expect(await readFile(file, 'utf8')).toBe(await readFile(join(root, 'config.schema.json'), 'utf8'));
  await run(process.execPath, [...script, '--check']);
  await writeFile(file, '{}\n');
  await expect(run(process.execPath, [...script, '--check'])).rejects.toMatchObject({ code: 1 });
});
