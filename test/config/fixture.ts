import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Problem } from '../../src/config/problems.ts';
import type { DatasetDefinition } from '../../src/dataset/definition.ts';
import { RefillError } from '../../src/domain/errors.ts';

// Loading a module compiles it, which takes seconds where other tests keep the machine busy.
vi.setConfig({ testTimeout: 60_000 });

/** The example that Refill promises to accept as it stands. */
export const CONTRACT = `ledger: { host: 127.0.0.1, port: 5432, user: refill, password: env:LEDGER_PASSWORD, database: refill }
clusters:
  east:
    postgres: { host: 127.0.0.1, port: 5432, user: app, password: env:PG_PASSWORD }        # a database per tenant
    clickhouse: { urls: ["http://127.0.0.1:8123"], user: default, password: env:CH_PASSWORD, cluster: conversations }
    tenants: discover          # or a list of { customer, profile, database }
datasets: [scorecards]
`;

/** A dataset that is right, and as small as can be. */
export const ORDERS: DatasetDefinition = {
  name: 'orders',
  tenants: 'SELECT DISTINCT customer, profile FROM shop.orders',
  tables: [
    {
      name: 'orders',
      key: 'order_id',
      time: 'ordered_at',
      version: 'update_time',
      owner: { customer: 'customer_id', profile: 'profile_id' },
      source: {
        from: ':rows AS o',
        rowsInRange: 'SELECT * FROM shop.orders WHERE ordered_at >= :from AND ordered_at < :to',
        rowsByKey: 'SELECT * FROM shop.orders WHERE order_id = ANY (:keys)',
        whereKey: 'o.order_id = ANY (:keys)',
      },
      exclusions: [{ reason: 'test', when: 'o.is_test', why: 'It is a test order.' }],
      columns: {
        order_id: { kind: 'text', sql: 'o.order_id', ifNull: '' },
        ordered_at: { kind: 'timestamp', sql: 'o.ordered_at', ifNull: null },
      },
    },
  ],
};

export const SCORECARDS: DatasetDefinition = { ...ORDERS, name: 'scorecards' };
export const BUILTINS: ReadonlyMap<string, DatasetDefinition> = new Map([[SCORECARDS.name, SCORECARDS]]);

/** A new directory with these files, gone when the test ends. */
export async function directory(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'refill-config-'));
  onTestFinished(async () => rm(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return path;
}

/** What is loaded from a directory that holds these files. */
export async function load(files: Readonly<Record<string, string>>, file?: string): Promise<RefillConfig> {
  const cwd = await directory(files);
  return (await loadConfig({ cwd, builtins: BUILTINS, ...(file === undefined ? {} : { file }) })).config;
}

/** What is loaded from this YAML. */
export async function loadYaml(text: string): Promise<RefillConfig> {
  return load({ 'refill.config.yaml': text });
}

/** The error that loading ends with; a test fails where it ends well, or with an error that is not ours. */
export async function errorOf(loading: Promise<unknown>): Promise<RefillError> {
  try {
    await loading;
  } catch (error) {
    if (error instanceof RefillError) return error;
    throw error;
  }
  throw new Error('expected an error, and there was none');
}

function isProblems(value: unknown): value is readonly Problem[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null && 'path' in item);
}

/** The problems of an error of the configuration. */
export function problemsIn(error: RefillError): readonly Problem[] {
  const found = error.details['problems'];
  if (!isProblems(found)) throw new Error(`expected an error with problems, got ${error.code}: ${error.message}`);
  return found;
}

/** `line:column path: message` of each problem of this YAML. */
export async function yamlProblems(text: string): Promise<readonly string[]> {
  const problems = problemsIn(await errorOf(loadYaml(text)));
  return problems.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
}

/** Every text that an error carries, to look for what must not be in it. */
export function everythingIn(error: Error): string {
  const causes: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    causes.push(at.message, at.stack ?? '', JSON.stringify(at), JSON.stringify(Object.getOwnPropertyNames(at)));
  }
  return causes.join('\n');
}
