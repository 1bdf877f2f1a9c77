import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';

/** Large configurations are read in seconds: whatever compares each key with each other takes minutes here. */
const MOST_CPU_SECONDS = 5;

const HEAD = 'ledger: { host: h, user: u, database: l }\n';
const SERVERS = '    postgres: { host: h, user: u }\n    clickhouse: { urls: ["http://h:1"], user: default }\n';
const lines = (n: number, line: (i: number) => string) => Array.from({ length: n }, (_, i) => line(i)).join('');
const cluster = (tenants: string) => `${HEAD}clusters:\n  east:\n${SERVERS}${tenants}datasets: [scorecards]\n`;

/** CPU, not time: other programs are on the machine. */
async function read(text: string) {
  const dir = await mkdtemp(join(tmpdir(), 'refill-large-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'refill.config.yaml');
  await writeFile(file, text);
  await loadConfig({ file }).catch(() => undefined);
  const before = process.cpuUsage();
  const said = await loadConfig({ file }).then(
    ({ config }) => Object.keys(config.clusters).length,
    (error: unknown) => (error instanceof Error ? error.message.split('\n')[0] : ''),
  );
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1e6).toBeLessThan(MOST_CPU_SECONDS);
  return said;
}

test('10,000 tenants, 30,000 keys', async () => {
  const tenant = (i: number) => `      - { customer: c${i}, profile: main, database: d${i} }\n`;
  expect(await read(cluster(`    tenants:\n${lines(10_000, tenant)}`))).toBe(1);
});

test('10,000 tenants that all have a mistake', async () => {
  const tenant = (i: number) => `      - { customer: c${i}, profile: main, databse: d${i} }\n`;
  expect(await read(cluster(`    tenants:\n${lines(10_000, tenant)}`))).toContain('10000 problems');
});

test('30,000 keys in one map, none of which is known', async () => {
  const text = `${lines(30_000, (i) => `key${i}: 1\n`)}${cluster('    tenants: discover\n')}`;
  expect(await read(text)).toContain('30000 problems');
});

test('2,000 clusters that share their settings by an alias', async () => {
  const others = lines(2000, (i) => `  e${i}:\n    <<: *east\n    postgres: { host: h${i}, user: u }\n`);
  const text = `${HEAD}clusters:\n  east: &east\n${SERVERS}    tenants: discover\n${others}datasets: [scorecards]\n`;
  expect(await read(text)).toBe(2001);
});

test('a file of aliases of aliases is refused before it fills the memory', async () => {
  const level = (i: number) => `l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(10)}]\n`;
  expect(await read(`l0: &l0 [x]\n${lines(12, level)}`)).toContain('too many aliases');
});
