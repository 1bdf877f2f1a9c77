import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { BUILTINS, directory, errorOf, load, ORDERS, problemsIn, SCORECARDS } from './fixture.ts';

const SERVERS = `
  ledger: { host: '127.0.0.1', user: 'refill', password: 'env:LEDGER_PASSWORD', database: 'refill' },
  clusters: {
    east: {
      postgres: { host: 'pg', user: 'app' },
      clickhouse: { urls: ['http://ch:8123'], user: 'default' },
    },
  },`;

async function typescriptError(text: string): Promise<{ message: string; problems: readonly unknown[] }> {
  const error = await errorOf(load({ 'refill.config.ts': text }));
  expect(error.code).toBe('CONFIG_INVALID');
  return { message: error.message, problems: problemsIn(error) };
}

describe('a configuration in TypeScript', () => {
  test('imports refill where it is not installed, has types, and defines a dataset', async () => {
    const config = await load({
      'refill.config.ts': `
import { defineConfig, defineDataset, type ConfigInput } from 'refill';
interface Thing { readonly port: number }
const thing: Thing = { port: 6000 };
const orders = defineDataset(${JSON.stringify(ORDERS)} as const);
const config = { ${SERVERS} datasets: ['scorecards', orders], limits: { windows: thing.port / 1000 } } satisfies ConfigInput;
export default defineConfig(config);
`,
    });
    expect(config.datasets).toEqual([SCORECARDS, ORDERS]);
    expect(config.limits.windows).toBe(6);
    expect(config.clusters['east']?.postgres).toEqual({ host: 'pg', port: 5432, user: 'app', tls: 'disable' });
  });

  test.each(['ts', 'mts', 'js', 'mjs'])(
    '.%s imports refill, and a file of its own that imports it too',
    async (extension) => {
      const config = await load({
        [`refill.config.${extension}`]: `
import { defineConfig } from 'refill';
import { orders } from './orders.mjs';
export default defineConfig({ ${SERVERS} datasets: [orders] });
`,
        'orders.mjs': `
import { defineDataset } from 'refill';
export const orders = defineDataset(${JSON.stringify(ORDERS)});
`,
      });
      expect(config.datasets).toEqual([ORDERS]);
    },
  );

  test('a `refill` that is installed there is not taken: the program that runs is', async () => {
    const cwd = await directory({
      'node_modules/refill/package.json': '{ "name": "refill", "type": "module", "exports": "./index.js" }',
      'node_modules/refill/index.js': 'throw new Error("another version");',
      'refill.config.ts': `import { defineConfig } from 'refill';\nexport default defineConfig({ ${SERVERS} datasets: ['scorecards'] });`,
    });
    expect((await loadConfig({ cwd, builtins: BUILTINS })).config.datasets).toEqual([SCORECARDS]);
  });

  test('everything that Refill exports can be imported', async () => {
    const index: Record<string, unknown> = await import('../../src/index.ts');
    const names = Object.keys(index);
    const config = await load({
      'refill.config.ts': `
import * as refill from 'refill';
const missing = ${JSON.stringify(names)}.filter((name) => !(name in refill));
if (missing.length > 0) throw new Error(missing.join());
export default { ${SERVERS} datasets: ['scorecards'] };
`,
    });
    expect(config.datasets).toEqual([SCORECARDS]);
  });

  test('top-level await, a promise, and CommonJS', async () => {
    const body = `{ ${SERVERS} datasets: ['scorecards'] }`;
    const awaited = `import { defineConfig } from 'refill';\nconst name = await Promise.resolve('scorecards');\nexport default defineConfig({ ${SERVERS} datasets: [name] });`;
    expect((await load({ 'refill.config.ts': awaited })).datasets).toEqual([SCORECARDS]);
    expect((await load({ 'refill.config.ts': `export default Promise.resolve(${body});` })).datasets).toEqual([
      SCORECARDS,
    ]);
    expect((await load({ 'refill.config.js': `module.exports = ${body};` })).datasets).toEqual([SCORECARDS]);
  });

  test('keys that are undefined count as left out', async () => {
    const servers = SERVERS.replace("user: 'app'", "user: 'app', port: undefined, password: undefined");
    expect(servers).toContain('undefined');
    const { clusters } = await load({ 'refill.config.ts': `export default { ${servers} datasets: ['scorecards'] };` });
    expect(clusters['east']?.postgres).toStrictEqual({ host: 'pg', port: 5432, user: 'app', tls: 'disable' });
  });

  test('nothing of it is written to disk: neither beside it nor among temporary files', async () => {
    const cwd = await directory({ 'refill.config.ts': `export default { ${SERVERS} datasets: ['scorecards'] };` });
    await mkdir(join(cwd, 'node_modules'));
    await mkdir(join(cwd, 'tmp'));
    vi.stubEnv('TMPDIR', join(cwd, 'tmp'));
    onTestFinished(() => void vi.unstubAllEnvs());
    await loadConfig({ cwd, builtins: BUILTINS });
    expect(await readdir(cwd, { recursive: true })).toEqual(['node_modules', 'refill.config.ts', 'tmp']);
  });
});

describe('a configuration in TypeScript that is wrong', () => {
  test('problems have a path, and neither line nor column', async () => {
    expect(
      await typescriptError(`export default { ${SERVERS} datasets: ['scorecards'], limits: { looks: 0 } };`),
    ).toEqual({
      message: 'refill.config.ts: limits.looks: expected a whole number from 1 to 100, got 0',
      problems: [
        { path: 'limits.looks', line: null, column: null, message: 'expected a whole number from 1 to 100, got 0' },
      ],
    });
  });

  test.each([
    ['empty', '', 'exports nothing by default'],
    ['with a named export only', 'export const config = {};', 'exports nothing by default'],
    ['that exports a function', 'export default () => ({});', 'got a function'],
    ['that exports undefined', 'export default undefined;', 'missing; expected a map with ledger'],
    [
      'that exports null',
      'export default null;',
      'expected a map with ledger, clusters, datasets, scorers, limits, health, calendar, executor, temporal, got nothing',
    ],
    [
      'that contains itself',
      'const a: Record<string, unknown> = {}; a.ledger = a; export default a;',
      'unknown key `ledger`',
    ],
    ['that throws no Error', 'throw 1;', 'throws something that is not an Error'],
    ['whose promise is rejected', 'export default Promise.reject(new Error("no"));', 'throws Error: no'],
  ])('a file %s', async (_name, text, message) => {
    expect((await typescriptError(text)).message).toContain(message);
  });

  test('one that throws: its message and its line', async () => {
    const text =
      'interface A {\n  b: string;\n}\n\nfunction f(): A {\n  throw new TypeError("no PG_HOST\\nand more");\n}\nexport default f();\n';
    expect((await typescriptError(text)).message).toBe('refill.config.ts:6: throws TypeError: no PG_HOST');
  });

  test('a syntax error: line and column', async () => {
    const { message } = await typescriptError('const a = 1;\n\nconst b = {;\nexport default b;\n');
    expect(message).toMatch(/^refill\.config\.ts:3:\d+: cannot be read: syntax error$/u);
  });

  test('a definition in the list: the key in it, not just the entry', async () => {
    const { tenants: _, ...wrong } = ORDERS;
    const text = `export default { ${SERVERS} datasets: ['scorecards', ${JSON.stringify(wrong)}] };`;
    expect((await typescriptError(text)).message).toBe(
      'refill.config.ts: datasets[1].tenants: missing; expected a SELECT of `customer` and `profile`',
    );
  });

  test('an import of what is not there', async () => {
    const { message } = await typescriptError("import a from './nix.ts';\nexport default a;\n");
    expect(message).toBe("refill.config.ts:1: Cannot find module './nix.ts'");
  });

  test('a dataset’s module that is wrong: the entry’s line, and the place in the module', async () => {
    const yaml = (module: string): Record<string, string> => ({
      'refill.config.yaml': `ledger: { host: a, user: b, database: c }
clusters: { east: { postgres: { host: a, user: b }, clickhouse: { urls: [http://a], user: b } } }
datasets:
  - ./orders.ts
`,
      'orders.ts': module,
    });
    const messageOf = async (module: string): Promise<string> => (await errorOf(load(yaml(module)))).message;
    expect(await messageOf('export const orders = 1;')).toBe(
      'refill.config.yaml:4:5: datasets[0]: ./orders.ts: exports nothing by default; write `export default …`',
    );
    expect(await messageOf('\nthrow new Error("no");')).toBe(
      'refill.config.yaml:4:5: datasets[0]: ./orders.ts:2: throws Error: no',
    );
    expect(await messageOf(`export default ${JSON.stringify({ ...ORDERS, tables: [] })};`)).toBe(
      'refill.config.yaml:4:5: datasets[0].tables: expected at least one table (in ./orders.ts)',
    );
  });
});
