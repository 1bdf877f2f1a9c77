import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { builtCli } from '../cli/built.ts';

/** The package as it is published: packed, and installed into an empty project. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

let project = '';
let packed: Packed = { filename: '', files: [] };

beforeAll(async () => {
  await builtCli();
  project = await mkdtemp(join(tmpdir(), 'refill-package-'));
  // Without scripts: they would build again, under the other tests' feet.
  const pack = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], { cwd: ROOT });
  const [first]: readonly Packed[] = JSON.parse(pack.stdout);
  if (first === undefined) throw new Error('npm pack has packed nothing');
  packed = first;
  await writeFile(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  const flags = ['--no-audit', '--no-fund', '--omit=optional', '--ignore-scripts', '--prefer-offline'];
  await run('npm', ['install', ...flags, join(project, packed.filename)], { cwd: project });
}, 180_000);
afterAll(() => rm(project, { recursive: true, force: true }));

test('holds what package.json lists, and no source, test or map', async () => {
  // The stamp is left in dist by the build of tests.
  const files = packed.files.map(({ path }) => path).filter((path) => path !== 'dist/.built-for-tests');
  const beside = files.filter((path) => !/^dist\/.+\.(js|d\.ts)$/u.test(path) && !/^docs\/[\w-]+\.md$/u.test(path));
  expect(beside.sort()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'config.schema.json',
    'package.json',
    'scorer.openapi.json',
  ]);
  expect(files).toEqual(expect.arrayContaining(['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js']));
  // What the README links to is there, too.
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const linked = [...readme.matchAll(/\]\((docs\/[^)#]+)/gu)].map(([, path]) => path);
  expect(linked.length).toBeGreaterThan(5);
  expect(files).toEqual(expect.arrayContaining(linked));
  expect(files.filter((path) => /\b(test|tests|bench|fixtures)\//u.test(path))).toEqual([]);
  // The workflows' bundle, which names no file of the machine that it was made on.
  const bundle = await readFile(join(ROOT, 'dist/executors/temporal/workflow-bundle.js'), 'utf8');
  expect(files).toContain('dist/executors/temporal/workflow-bundle.js');
  expect(bundle).not.toContain(ROOT);
});

test('is imported without side effects, and exports what the docs say', async () => {
  await writeFile(
    join(project, 'imports.mjs'),
    `import { readdirSync } from 'node:fs';
const globals = () => Object.getOwnPropertyNames(globalThis).sort();
const look = () => JSON.stringify([readdirSync('.'), JSON.stringify(process.env).length, globals(),
  process.eventNames().map(String).sort(), process.exitCode ?? null]);
const before = look();
const refill = await import('refill');
await new Promise((done) => setImmediate(done));
const after = look();
const schema = await import('refill/config.schema.json', { with: { type: 'json' } });
const inner = await import('refill/dist/refill.js').then(() => 'open', (error) => error.code);
console.log(JSON.stringify({ same: before === after, before, after, names: Object.keys(refill).sort(), schema: typeof schema.default, inner }));
`,
  );
  const { stdout, stderr } = await run(process.execPath, ['--no-warnings', 'imports.mjs'], {
    cwd: project,
    // It ends by itself: nothing was opened that keeps it.
    timeout: 30_000,
  });
  expect(stderr).toBe('');
  const { same, before, after, names, schema, inner }: Record<string, unknown> = JSON.parse(stdout);
  expect(same ? '' : `${String(before)}\n${String(after)}`).toBe('');
  expect(names).toEqual(
    expect.arrayContaining([
      'RefillError',
      'createRefill',
      'defineConfig',
      'defineDataset',
      'loadConfig',
      'scorecards',
    ]),
  );
  expect([schema, inner]).toEqual(['object', 'ERR_PACKAGE_PATH_NOT_EXPORTED']);
});

test('is typed: a program that uses it compiles, and a wrong one does not', async () => {
  await writeFile(
    join(project, 'consumer.ts'),
    `import { createRefill, defineConfig, loadConfig, type RefillError, type RunResult, type VerifyResult } from 'refill';

const written = defineConfig({
  ledger: { host: 'localhost', user: 'refill', password: 'env:LEDGER_PASSWORD', database: 'refill' },
  clusters: {
    east: {
      postgres: { host: 'localhost', user: 'app', password: 'env:PG_PASSWORD' },
      clickhouse: { urls: ['http://localhost:8123'], user: 'default' },
    },
  },
  datasets: ['scorecards'],
});
export default written;
export const direct = createRefill(written);
export async function main(error: RefillError): Promise<RunResult | undefined> {
  const { config } = await loadConfig();
  const refill = createRefill(config);
  const tenant = { customer: 'a', profile: 'b' };
  const range = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-02T00:00:00.000Z' };
  const plan = await refill.plan({ tenant, range, strategy: 'replace' });
  const verified: VerifyResult = await refill.verify({ tenant, range });
  for await (const event of refill.run(plan.id)) {
    if (event.type === 'result' && verified.ok && error.code === 'BUG') return event;
  }
  await refill.close();
  // @ts-expect-error no such strategy
  await refill.plan({ tenant, range, strategy: 'swap' });
  // @ts-expect-error a range is needed
  await refill.survey({ tenant });
  return undefined;
}
`,
  );
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    module: 'NodeNext',
    target: 'ES2023',
    lib: ['ES2023', 'DOM'],
    types: [],
  };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { stdout } = await run(process.execPath, [tsc, '-p', '.'], { cwd: project }).catch(
    (error: { readonly stdout: string }) => error,
  );
  expect(stdout).toBe('');
}, 120_000);

test('has a command that works, and says what is missing for servers of its own', async () => {
  const bin = join(project, 'node_modules', '.bin', 'refill');
  const { stdout } = await run(bin, ['--help'], { cwd: project });
  expect(stdout).toMatch(/^Usage: refill /u);
  const { version }: { readonly version: string } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  expect((await run(bin, ['--version'], { cwd: project })).stdout.trim()).toBe(version);
  const up = run(bin, ['up', '--dir', join(project, 'servers'), '--json'], { cwd: project });
  await expect(up).rejects.toMatchObject({ code: 2, stdout: expect.stringContaining('"EMBEDDED_MISSING"') });
  await expect(up).rejects.toMatchObject({ stderr: expect.stringContaining('--include=optional') });
});
