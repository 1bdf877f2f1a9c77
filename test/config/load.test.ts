import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { DEFAULT_HEALTH_LIMITS } from '../../src/domain/indicators.ts';
import { DEFAULT_LIMITS } from '../../src/domain/limits.ts';
import { BUILTINS, CONTRACT, directory, errorOf, load, loadYaml, ORDERS, SCORECARDS } from './fixture.ts';

describe('what is accepted', () => {
  test('the contract’s YAML as it stands, completed with defaults', async () => {
    expect(await loadYaml(CONTRACT)).toEqual({
      ledger: {
        host: '127.0.0.1',
        port: 5432,
        user: 'refill',
        password: 'env:LEDGER_PASSWORD',
        database: 'refill',
        tls: 'disable',
      },
      clusters: {
        east: {
          postgres: { host: '127.0.0.1', port: 5432, user: 'app', password: 'env:PG_PASSWORD', tls: 'disable' },
          clickhouse: {
            urls: ['http://127.0.0.1:8123'],
            user: 'default',
            password: 'env:CH_PASSWORD',
            cluster: 'conversations',
            compress: 'auto',
          },
          tenants: 'discover',
        },
      },
      datasets: [SCORECARDS],
      limits: DEFAULT_LIMITS,
      health: DEFAULT_HEALTH_LIMITS,
    });
  });

  test('the contract’s YAML with Refill’s own datasets', async () => {
    const cwd = await directory({ 'refill.config.yaml': CONTRACT });
    const { config } = await loadConfig({ cwd });
    expect(config.datasets.map(({ name }) => name)).toEqual(['scorecards']);
  });

  test('no password at all, a list of tenants, limits, tls and compress', async () => {
    const config = await loadYaml(`
ledger: { host: /var/run/postgresql, user: refill, database: refill, tls: verify-full }
clusters:
  east:
    postgres: { host: "::1", user: app, tls: require }
    clickhouse: { urls: ["https://[::1]:8443/", "http://b:8123"], user: default, compress: never }
    tenants:
      - { customer: acme, profile: main }
      - { customer: acme, profile: other, database: elsewhere }
      - { customer: b, profile: main, sourceDatabase: b1, targetDatabase: b2 }
datasets: [scorecards]
limits: { windows: 4, countDrift: 0, mutationPollSeconds: 0.05 }
`);
    expect(config.ledger).not.toHaveProperty('password');
    expect(config.ledger.tls).toBe('verify-full');
    expect(config.clusters['east']?.clickhouse.compress).toBe('never');
    expect(config.clusters['east']?.tenants).toEqual([
      { customer: 'acme', profile: 'main' },
      { customer: 'acme', profile: 'other', database: 'elsewhere' },
      { customer: 'b', profile: 'main', sourceDatabase: 'b1', targetDatabase: 'b2' },
    ]);
    expect(config.limits).toEqual({ ...DEFAULT_LIMITS, windows: 4, countDrift: 0, mutationPollSeconds: 0.05 });
  });

  test('clusters that share settings by anchor and merge', async () => {
    const config = await loadYaml(`
ledger: { host: a, user: refill, database: refill }
clusters:
  east:
    postgres: &pg { host: pg-east, user: app, password: env:PG }
    clickhouse: &ch { urls: ["http://ch-east:8123"], user: default }
  west:
    postgres: { <<: *pg, host: pg-west }
    clickhouse: { <<: *ch, urls: ["http://ch-west:8123"] }
datasets: [scorecards]
`);
    expect(config.clusters['west']?.postgres).toMatchObject({ host: 'pg-west', user: 'app', password: 'env:PG' });
    expect(config.clusters['west']?.tenants).toBe('discover');
  });

  test('two Postgres servers for one ClickHouse cluster', async () => {
    const two = CONTRACT.replace(
      'datasets:',
      `  west:
    postgres: { host: 127.0.0.2, user: app }
    clickhouse: { urls: ["http://127.0.0.1:8123"], user: default, cluster: conversations }
datasets:`,
    );
    expect(Object.keys((await loadYaml(two)).clusters)).toEqual(['east', 'west']);
  });

  test('a dataset module named in YAML, relative to the configuration and not to the current directory', async () => {
    const config = await load({
      '.refill/refill.config.yaml': CONTRACT.replace('[scorecards]', '[scorecards, ./orders.dataset.ts]'),
      '.refill/orders.dataset.ts': `const orders: unknown = ${JSON.stringify(ORDERS)};\nexport default orders;\n`,
    });
    expect(config.datasets).toEqual([SCORECARDS, ORDERS]);
  });
});

describe('certificates of a Temporal server', () => {
  const loaded = (tls: string) => loadYaml(`${CONTRACT}temporal: { address: "temporal:7233", tls: ${tls} }\n`);

  test('are references, relative to the configuration', async () => {
    const { temporal } = await loaded('{ ca: file:ca.pem, certificate: env:CERTIFICATE, key: file:/etc/key.pem }');
    expect(temporal?.tls).toMatchObject({ certificate: 'env:CERTIFICATE', key: 'file:/etc/key.pem' });
    expect(temporal?.tls).toMatchObject({ ca: expect.stringMatching(/^file:\/.*\/ca\.pem$/u) });
    expect((await loaded('true')).temporal?.tls).toBe(true);
  });

  test('are the same for a re-indexer’s server', async () => {
    const connection = '{ ca: file:ca.pem, certificate: env:CERTIFICATE, key: file:/etc/key.pem, serverName: theirs }';
    const reindexer = `type: temporal, address: "theirs:7233", tls: ${connection}, codec: codec.mjs, apiKey: file:key`;
    const workflow = 'workflowType: W, taskQueue: q, workflowId: "w-{id}", payload: {}';
    const { clusters } = await loadYaml(
      CONTRACT.replace(/^( +)(clickhouse: .*)$/mu, `$1$2\n$1reindexers: { scorecards: { ${reindexer}, ${workflow} } }`),
    );
    const [cluster] = Object.values(clusters);
    expect(cluster?.reindexers?.['scorecards']).toMatchObject({
      namespace: 'default',
      apiKey: expect.stringMatching(/^file:\/.*\/key$/u),
      codec: expect.stringMatching(/^\/.*\/codec\.mjs$/u),
      tls: { ca: expect.stringMatching(/^file:\/.*\/ca\.pem$/u), certificate: 'env:CERTIFICATE', serverName: 'theirs' },
    });
  });

  test('are refused where half of a pair is missing, or where it is something else', async () => {
    expect(String(await errorOf(loaded('{ key: file:key.pem }')))).toContain('`certificate` and `key` belong together');
    for (const tls of ['sometimes', '{ cert: file:a.pem }', '{ ca: a secret }'])
      expect(String(await errorOf(loaded(tls)))).toContain('temporal.tls');
  });
});

describe('which file is loaded', () => {
  test.each(['refill.config.yaml', 'refill.config.yml', '.refill/refill.config.yaml', '.refill/refill.config.yml'])(
    '%s is found',
    async (name) => {
      const cwd = await directory({ [name]: CONTRACT });
      expect((await loadConfig({ cwd, builtins: BUILTINS })).file).toBe(join(cwd, name));
    },
  );

  test.each([
    'refill.config.ts',
    'refill.config.mts',
    'refill.config.js',
    'refill.config.mjs',
    '.refill/refill.config.ts',
  ])('%s is found', async (name) => {
    const cwd = await directory({ [name]: `export default ${JSON.stringify(JS_CONTRACT)}` });
    const loaded = await loadConfig({ cwd, builtins: BUILTINS });
    expect(loaded.file).toBe(join(cwd, name));
    expect(loaded.config).toEqual(await loadYaml(CONTRACT));
  });

  test('one in the directory itself comes before one in .refill/', async () => {
    const cwd = await directory({ 'refill.config.yml': CONTRACT, '.refill/refill.config.yaml': 'wrong' });
    expect((await loadConfig({ cwd, builtins: BUILTINS })).file).toBe(join(cwd, 'refill.config.yml'));
  });

  test('two in one directory: an error that names both and not a third', async () => {
    const error = await errorOf(
      load({ 'refill.config.ts': '', '.refill/refill.config.yml': '', 'refill.config.yaml': CONTRACT }),
    );
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toBe('There are several configurations: refill.config.ts, refill.config.yaml.');
    expect(error.hint).toContain('--config');
  });

  test('two in .refill/: likewise', async () => {
    const error = await errorOf(load({ '.refill/refill.config.yml': '', '.refill/refill.config.yaml': CONTRACT }));
    expect(error.message).toContain('.refill/refill.config.yaml, .refill/refill.config.yml');
  });

  test('a named one is taken whatever else is there, and relative to cwd', async () => {
    const files = { 'refill.config.ts': 'wrong', 'refill.config.yaml': 'wrong', 'conf/production.yaml': CONTRACT };
    const cwd = await directory(files);
    const { file } = await loadConfig({ file: 'conf/production.yaml', cwd, builtins: BUILTINS });
    expect(file).toBe(join(cwd, 'conf/production.yaml'));
    expect((await loadConfig({ file, cwd: '/', builtins: BUILTINS })).file).toBe(file);
  });

  test('none: CONFIG_MISSING says what was looked for', async () => {
    const error = await errorOf(load({ 'refill.yaml': CONTRACT, 'config.ts': '' }));
    expect(error.code).toBe('CONFIG_MISSING');
    expect(error.message).toContain('refill.config.yaml');
    expect(error.message).toContain('.refill/');
  });

  test('a directory of that name is not a configuration', async () => {
    const cwd = await directory();
    await mkdir(join(cwd, 'refill.config.yaml'));
    expect((await errorOf(loadConfig({ cwd }))).message).toContain('No configuration file');
    expect((await errorOf(loadConfig({ cwd, file: 'refill.config.yaml' }))).message).toContain('is a directory');
  });

  test('a named one that is not there, or of another kind', async () => {
    const missing = await errorOf(load({ 'refill.config.yaml': CONTRACT }, 'other.yaml'));
    expect([missing.code, missing.message]).toEqual(['CONFIG_MISSING', 'There is no file other.yaml.']);
    const kind = await errorOf(load({ 'refill.toml': '' }, 'refill.toml'));
    expect(kind.code).toBe('CONFIG_INVALID');
    expect(kind.message).toContain('.yaml');
  });
});

const JS_CONTRACT = {
  ledger: { host: '127.0.0.1', port: 5432, user: 'refill', password: 'env:LEDGER_PASSWORD', database: 'refill' },
  clusters: {
    east: {
      postgres: { host: '127.0.0.1', port: 5432, user: 'app', password: 'env:PG_PASSWORD' },
      clickhouse: {
        urls: ['http://127.0.0.1:8123'],
        user: 'default',
        password: 'env:CH_PASSWORD',
        cluster: 'conversations',
      },
      tenants: 'discover',
    },
  },
  datasets: ['scorecards'],
};
