import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { BUILTINS, CONTRACT, directory, errorOf, load, loadYaml, problemsIn, yamlProblems } from './fixture.ts';

/** The contract's YAML with one thing written otherwise. Fails where that thing is not in it. */
function instead(text: string, other: string): string {
  if (!CONTRACT.includes(text)) throw new Error(`${text} is not in the contract's YAML`);
  return CONTRACT.replace(text, other);
}

describe('an error’s form', () => {
  const wrong = instead('port: 5432, user: app', 'prot: 5432, user: app').replace('[scorecards]', '[scorecrads]');

  test('several problems: a line for each, and all of them in the details', async () => {
    const cwd = await directory({ 'refill.config.yaml': wrong });
    const error = await errorOf(loadConfig({ cwd, builtins: BUILTINS }));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message.split('\n')).toEqual([
      'refill.config.yaml has 2 problems',
      '  refill.config.yaml:4:34: clusters.east.postgres.prot: unknown key `prot`; did you mean `port`?',
      '  refill.config.yaml:7:12: datasets[0]: no built-in dataset has this name; did you mean `scorecards`?',
    ]);
    expect(error.details).toEqual({
      file: `${cwd}/refill.config.yaml`,
      problems: [
        {
          path: 'clusters.east.postgres.prot',
          line: 4,
          column: 34,
          message: 'unknown key `prot`; did you mean `port`?',
        },
        {
          path: 'datasets[0]',
          line: 7,
          column: 12,
          message: 'no built-in dataset has this name; did you mean `scorecards`?',
        },
      ],
    });
  });

  test('one problem: one line, with the file named from the current directory', async () => {
    const error = await errorOf(load({ '.refill/refill.config.yaml': instead('127.0.0.1, port: 5432', '[]') }));
    expect(error.message).toBe(
      '.refill/refill.config.yaml:1:17: ledger.host: expected a host’s name or address, got a list',
    );
  });

  test('a file elsewhere is named in full', async () => {
    const cwd = await directory({ 'a.yaml': '1' });
    const error = await errorOf(loadConfig({ file: `${cwd}/a.yaml`, cwd: '/nowhere' }));
    expect(error.message).toContain(`${cwd}/a.yaml:1:1: expected a map`);
  });
});

describe('wrong values, with line and column', () => {
  const KNOWN = 'host, port, user, password, tls, database';
  const PORT = 'expected a whole number from 1 to 65535';

  test.each([
    ['a missing key', 'user: app, ', '', '4:5 clusters.east.postgres.user: missing; expected a user’s name'],
    [
      'a port that is too high',
      '5432, user: app',
      '65536, user: app',
      `4:40 clusters.east.postgres.port: ${PORT}, got 65536`,
    ],
    ['a port of 0', '5432, user: app', '0, user: app', `4:40 clusters.east.postgres.port: ${PORT}, got 0`],
    [
      'a port that is a fraction',
      '5432, user: app',
      '1.5, user: app',
      `4:40 clusters.east.postgres.port: ${PORT}, got 1.5`,
    ],
    [
      'a port in quotes',
      '5432, user: app',
      '"5432", user: app',
      `4:40 clusters.east.postgres.port: ${PORT}, got a text`,
    ],
    ['an empty user', 'user: app', 'user: ""', '4:52 clusters.east.postgres.user: is empty; expected a user’s name'],
    [
      'a user without a value',
      'user: app',
      'user: ',
      '4:52 clusters.east.postgres.user: expected a user’s name, got nothing',
    ],
    [
      'a user that is a number',
      'user: app',
      'user: 12',
      '4:52 clusters.east.postgres.user: expected a user’s name, got a number',
    ],
    [
      'a port in the host',
      '{ host: 127.0.0.1, port: 5432, user: app',
      '{ host: pg:5432, user: app',
      '4:23 clusters.east.postgres.host: expected a host without its port; write the port under `port`',
    ],
    [
      'a URL as a host',
      '{ host: 127.0.0.1, port: 5432, user: app',
      '{ host: "postgres://pg", user: app',
      '4:23 clusters.east.postgres.host: expected a host’s name or address, without scheme, user and path',
    ],
    [
      'a word that is none',
      'user: app',
      'user: app, tls: verify_full',
      '4:62 clusters.east.postgres.tls: expected one of disable, require, verify-full; did you mean `verify-full`?',
    ],
    [
      'a boolean for a word',
      'user: app',
      'user: app, tls: true',
      '4:62 clusters.east.postgres.tls: expected one of disable, require, verify-full, got a boolean',
    ],
    [
      'a key of habit',
      'user: app',
      'username: app',
      '4:46 clusters.east.postgres.username: unknown key `username`; did you mean `user`?',
    ],
    [
      'a key that is like no other',
      'database: refill',
      'database: refill, zzz: 1',
      `1:103 ledger.zzz: unknown key \`zzz\`; known here: ${KNOWN}`,
    ],
    [
      'no tenants',
      'discover ',
      '[] ',
      '6:14 clusters.east.tenants: the list is empty; write `discover`, or list a tenant',
    ],
    [
      'another word for tenants',
      'discover ',
      'all ',
      '6:14 clusters.east.tenants: expected `discover` or a list of { customer, profile, database }',
    ],
    [
      'no datasets',
      '[scorecards]',
      '[]',
      '7:11 datasets: expected at least one of built-in datasets and modules, such as `scorecards`',
    ],
    [
      'a dataset in place of a list',
      '[scorecards]',
      'scorecards',
      '7:11 datasets: expected a list of built-in datasets and modules, got a text',
    ],
    [
      'an empty dataset',
      '[scorecards]',
      '[""]',
      '7:12 datasets[0]: is empty; expected a built-in dataset’s name, or the path of a module that exports one',
    ],
    [
      'a dataset twice',
      '[scorecards]',
      '[scorecards, scorecards]',
      '7:24 datasets[1]: a dataset `scorecards` is in the list already, as datasets[0]',
    ],
    ['a module that is not there', '[scorecards]', '[./nix.ts]', '7:12 datasets[0]: there is no such file'],
    [
      'a module of another kind',
      '[scorecards]',
      '[./nix.sql]',
      '7:12 datasets[0]: expected the path of a module that ends in .ts, .mts, .js, .mjs',
    ],
    [
      'no addresses',
      '["http://127.0.0.1:8123"]',
      '[]',
      '5:25 clusters.east.clickhouse.urls: expected at least one address, such as http://host:8123',
    ],
    [
      'an address in place of a list',
      '["http://127.0.0.1:8123"]',
      '"http://127.0.0.1:8123"',
      '5:25 clusters.east.clickhouse.urls: expected a list of addresses, such as [http://host:8123], got a text',
    ],
    [
      'url for urls',
      'urls: ["http://127.0.0.1:8123"]',
      'url: "http://a"',
      '5:19 clusters.east.clickhouse.url: unknown key `url`; did you mean `urls`?',
    ],
  ])('%s', async (_name, text, other, expected) => {
    expect(await yamlProblems(instead(text, other))).toContain(expected);
  });

  test.each([
    ['without a scheme', '127.0.0.1:8123', 'expected an address with its scheme, such as http://host:8123'],
    [
      'of the native interface',
      'tcp://a:9000',
      'expected http:// or https://: ClickHouse’s HTTP interface (8123, 8443), not the native one (9000, 9440)',
    ],
    ['with a path', 'http://a:8123/x', 'expected an address without a path'],
    ['with a database', 'http://a:8123/?database=x', 'expected an address without `?` and `#`'],
    ['with a fragment', 'http://a:8123/#x', 'expected an address without `?` and `#`'],
    ['with a user', 'http://me@a:8123', 'expected an address without a user; write it under `user`'],
    ['with an empty query', 'http://a:8123?', 'expected an address without `?` and `#`'],
    ['with a space', 'http://a:8123 ', 'expected an address such as http://host:8123'],
    ['that is none', 'http://a:99999', 'expected an address such as http://host:8123'],
  ])('an address %s', async (_name, url, message) => {
    expect(await yamlProblems(instead('http://127.0.0.1:8123', url))).toEqual([
      `5:26 clusters.east.clickhouse.urls[0]: ${message}`,
    ]);
  });

  test.each([
    ['windows: 0', 'windows', 'expected a whole number from 1 to 64, got 0'],
    ['windows: 1.5', 'windows', 'expected a whole number from 1 to 64, got 1.5'],
    ['countDrift: 10', 'countDrift', 'expected a number from 0 to 1, got 10'],
    ['graceSeconds: -1', 'graceSeconds', 'expected a number from 0 to 3600, got -1'],
    ['windowSeconds: .inf', 'windowSeconds', 'expected a number from 0.1 to 86400, got Infinity'],
    ['looks: many', 'looks', 'expected a whole number from 1 to 100, got a text'],
    ['windowrows: 5', 'windowrows', 'unknown key `windowrows`; did you mean `windowRows`?'],
  ])('limits: { %s }', async (limit, key, message) => {
    const [problem, ...others] = await yamlProblems(`${CONTRACT}limits: { ${limit} }\n`);
    expect(problem?.slice(problem.indexOf(' ') + 1)).toBe(`limits.${key}: ${message}`);
    expect(others).toEqual([]);
  });
});

describe('what is right by itself and wrong together', () => {
  const listed = (tenants: string): string => instead('discover ', `\n${tenants} `);

  test('a tenant twice in a list: the second is named, at its line', async () => {
    const twice = listed(`      - { customer: acme, profile: main }
      - { customer: acme, profile: other }
      - { customer: acme, profile: main, database: x }`);
    expect(await yamlProblems(twice)).toEqual([
      '9:9 clusters.east.tenants[2]: `acme/main` is in the list already, as tenants[0]',
    ]);
  });

  test('the same is found where something else is wrong too', async () => {
    const twice = listed(`      - { customer: acme, profile: main }
      - { customer: acme, profile: main, databas: x }`);
    expect(await yamlProblems(twice)).toEqual([
      '8:9 clusters.east.tenants[1]: `acme/main` is in the list already, as tenants[0]',
      '8:42 clusters.east.tenants[1].databas: unknown key `databas`; did you mean `database`?',
    ]);
  });

  test('a tenant with a database for both sides and one for each', async () => {
    expect(
      await yamlProblems(
        listed('      - { customer: a, profile: b, database: x, sourceDatabase: y, targetDatabase: z }'),
      ),
    ).toEqual([
      '7:36 clusters.east.tenants[0].database: is not used: `sourceDatabase` and `targetDatabase` say it all; leave it out',
    ]);
  });

  test('a tenant whose name has a slash', async () => {
    expect(await yamlProblems(listed('      - { customer: a/b, profile: c }'))).toEqual([
      '7:21 clusters.east.tenants[0].customer: expected a customer’s id without `/`',
    ]);
  });

  test('a tenant without a profile, and one that is no map', async () => {
    expect(await yamlProblems(listed('      - { customer: a }\n      - acme'))).toEqual([
      '7:9 clusters.east.tenants[0].profile: missing; expected a profile’s id',
      '8:9 clusters.east.tenants[1]: expected a map with customer, profile, database, sourceDatabase, targetDatabase, got a text',
    ]);
  });

  test('no cluster', async () => {
    expect(await yamlProblems(CONTRACT.replace(/clusters:[^]*datasets/u, 'clusters: {}\ndatasets'))).toEqual([
      '2:11 clusters: expected at least one cluster',
    ]);
  });

  test('a cluster without anything', async () => {
    expect(await yamlProblems(instead('datasets', '  west:\ndatasets'))).toEqual([
      '7:8 clusters.west: expected a map with postgres, clickhouse, calendar, reindexers, temporal, dependents, tenants, got nothing',
    ]);
  });

  test('in what is shared by an alias: the place where it is written', async () => {
    const text = instead('postgres: {', 'postgres: &pg {')
      .replace('port: 5432, user: app', 'port: 0, user: app')
      .replace('datasets', '  west:\n    postgres: *pg\n    clickhouse: { urls: [http://b], user: c }\ndatasets');
    const port = 'expected a whole number from 1 to 65535, got 0';
    expect(await yamlProblems(text)).toEqual([
      `4:44 clusters.east.postgres.port: ${port}`,
      `4:44 clusters.west.postgres.port: ${port}`,
    ]);
  });

  test('a cluster’s name that is none', async () => {
    expect(await yamlProblems(instead('  east:', '  "east/1":'))).toEqual([
      '3:3 clusters.east…: expected a name of up to 63 letters, digits, `_`, `-` and `.`, a letter or digit first',
    ]);
  });

  test('two clusters of the same servers', async () => {
    const west = `  west:
    postgres: { host: 127.0.0.1, user: other }
    clickhouse: { urls: ["http://127.0.0.1:8123/"], user: other, cluster: conversations }
datasets`;
    expect(await yamlProblems(instead('datasets', west))).toEqual([
      '7:3 clusters.west: the same servers as `east`: every tenant would be found twice',
    ]);
  });

  test('an address twice', async () => {
    expect(await yamlProblems(instead('"http://127.0.0.1:8123"', '"http://a:1", "http://A:1/"'))).toEqual([
      '5:40 clusters.east.clickhouse.urls[1]: the same address as urls[0]',
    ]);
  });
});

describe('a file that is not what it should be', () => {
  test.each([
    ['empty', ''],
    ['of comments', '# ledger\n\n'],
  ])('%s', async (_name, text) => {
    const error = await errorOf(loadYaml(text));
    expect([error.code, error.message]).toEqual(['CONFIG_INVALID', 'refill.config.yaml: the file is empty']);
  });

  test('without its main keys: all of them are named', async () => {
    const problems = problemsIn(await errorOf(loadYaml('limits: {}\n')));
    expect(problems.map(({ path, line }) => [path, line])).toEqual([
      ['ledger', 1],
      ['clusters', 1],
      ['datasets', 1],
    ]);
  });

  test.each([
    ['a tab', 'ledger:\n  host: a\nclusters:\n\teast: 1\n', '4:1', 'a tab in the indentation'],
    ['a key twice', 'ledger: 1\nledger: 2\n', '2:1', 'twice'],
    ['a bracket that stays open', 'a: [1, 2\nb: 1\n', '2:1', 'not closed'],
    ['a second colon', 'a: b: c\n', '1:4', 'a second colon'],
    ['an indentation', 'ledger:\n  host: a\n   user: b\n', '2:9', 'indented too far'],
    ['a missing space', 'ledger:\n  host: a\n  user:b\n  port: 1\n', '3:3', 'a space missing'],
    ['a second document', `${CONTRACT}---\na: 1\n`, '8:1', 'second document'],
    ['an escape', 'a: "\\h"\n', '1:5', 'escape'],
    ['an alias of nothing', 'a: *b\n', '1:4', 'begins with `*` needs quotes'],
    ['a tag', 'a: !b\n', '1:4', 'begins with `!` needs quotes'],
    ['a character', 'a: @b\n', '1:4', 'in quotes'],
  ])('YAML with %s', async (_name, text, place, message) => {
    const [problem] = await yamlProblems(text);
    expect(problem).toContain(message);
    expect(problem?.startsWith(`${place} : `)).toBe(true);
  });

  test('every line with a tab is named', async () => {
    const problems = problemsIn(await errorOf(loadYaml('a:\n\tb: 1\n\tc: 2\n')));
    expect(problems.map(({ line }) => line)).toEqual([2, 3]);
  });

  test('aliases of aliases that would fill the memory', async () => {
    const ten = (of: string): string => `[${Array.from({ length: 10 }, () => of).join(',')}]`;
    const text = `a: &a ${ten('1')}\nb: &b ${ten('*a')}\nc: &c ${ten('*b')}\nd: &d ${ten('*c')}\ne: &e ${ten('*d')}\nf: ${ten('*e')}\n`;
    expect(await yamlProblems(text)).toEqual(['1:1 : nested too deeply, or too many aliases']);
  });
});
