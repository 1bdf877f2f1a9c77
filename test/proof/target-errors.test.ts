import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { expect, inject, onTestFinished, test } from 'vitest';
import { RefillError } from '../../src/domain/errors.ts';
import { openTarget, type Target } from '../../src/target/clickhouse.ts';
import { clickhouseError } from '../../src/target/errors.ts';
import { unfinishedMutations } from '../../src/target/mutations.ts';
import { discoverTopology } from '../../src/target/topology.ts';
import { ended, thrown } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';
import { createShop, DAYS } from './shop.ts';

// What a server says of a row must not be repeated, and what another server says must not pass for a bug of Refill's.

const SECRET = 'SECRET-4711';

function openAt(url: string): Target {
  const opened = openTarget({ urls: [url], user: 'default', password: '', compress: 'auto' });
  onTestFinished(() => opened.close());
  return opened.any;
}

const insert = (target: Target, table: string, lines: string) =>
  target.insert(`INSERT INTO ${table} FORMAT TabSeparated`, Readable.from([lines]), crypto.randomUUID());

/** All of an error that is kept or printed. */
const told = (error: unknown) => JSON.stringify(error) + String(error);

test('what refuses a row is told by its code, and never by the row', async () => {
  const target = openAt(inject('stack').clickhouse.http);
  const t = await createTenant({
    sourceSchema: 'SELECT 1',
    targetSchema: (db) => [
      `CREATE TABLE \`${db}\`.held (a Int32, label String, CONSTRAINT ok CHECK label != '${SECRET}') ENGINE = MergeTree ORDER BY a`,
      `CREATE TABLE \`${db}\`.seen (a Int32, label String) ENGINE = MergeTree ORDER BY a`,
      `CREATE MATERIALIZED VIEW \`${db}\`.thrower ENGINE = MergeTree ORDER BY a AS
         SELECT a, throwIf(label = '${SECRET}', 'not ${SECRET}') AS x FROM \`${db}\`.seen`,
      `CREATE TABLE \`${db}\`.read (a Int32, label String) ENGINE = MergeTree ORDER BY a`,
      `CREATE MATERIALIZED VIEW \`${db}\`.reader ENGINE = MergeTree ORDER BY a AS SELECT a, toInt32(label) AS x FROM \`${db}\`.read`,
      `CREATE TABLE \`${db}\`.of_enum (a Enum('x' = 1)) ENGINE = MergeTree ORDER BY a`,
    ],
  });
  const cases = [
    ['held', `1\t${SECRET}\n`, 'CH_ROWS_REFUSED', 469],
    ['seen', `1\t${SECRET}\n`, 'CH_VIEW_FAILED', 395],
    ['read', `1\t${SECRET}\n`, 'CH_VIEW_FAILED', 6],
    ['seen', `${SECRET}\tx\n`, 'CH_VALUE', 27],
    // A row that looks as if a server spoke.
    ['held', `DB::Exception: No space left on device (${SECRET.replace('-', '_')})\tx\n`, 'CH_VALUE', 27],
    ['of_enum', `${SECRET}\n`, 'CH_VALUE', 691],
  ] as const;
  for (const [table, lines, code, number] of cases) {
    const error = await thrown(() => insert(target, `\`${t.database}\`.${table}`, lines));
    expect([table, lines, error]).toMatchObject([table, lines, { code, details: { clickhouse: number } }]);
    expect(told(error)).not.toMatch(/SECRET|4711|No space/u);
  }
});

test('why a mutation fails is told by its code, and never by the row', async () => {
  const target = openAt(inject('stack').clickhouse.http);
  const t = await createTenant({
    sourceSchema: 'SELECT 1',
    targetSchema: (db) => [`CREATE TABLE \`${db}\`.held (a Int32, label String) ENGINE = MergeTree ORDER BY a`],
  });
  await t.command(`INSERT INTO held VALUES (1, '${SECRET}')`);
  await target.command(`ALTER TABLE \`${t.database}\`.held DELETE WHERE toInt32(label) = 1`);
  const topology = await discoverTopology(target, '');
  const reason = async () =>
    (await unfinishedMutations(target, topology, { database: t.database, name: 'held' }))[0]?.failReason ?? '';
  await expect.poll(reason, { timeout: 30_000, interval: 100 }).toMatch(/ClickHouse says 6 CANNOT_PARSE_TEXT/u);
  expect(await reason()).not.toMatch(/SECRET|4711/u);
  await t.command(`KILL MUTATION WHERE database = '${t.database}' SYNC`);
});

test('too many partitions in an insert is no matter of merges, and Refill’s own inserts may have more', async () => {
  const target = openAt(inject('stack').clickhouse.http);
  const t = await createTenant({
    sourceSchema: 'SELECT 1',
    targetSchema: (db) => [`CREATE TABLE \`${db}\`.wide (a Int32) ENGINE = MergeTree ORDER BY a PARTITION BY a`],
  });
  const lines = Array.from({ length: 150 }, (_, n) => `${n}\n`).join('');
  await insert(target, `\`${t.database}\`.wide`, lines);
  const limited = () =>
    target.insert(
      `INSERT INTO \`${t.database}\`.wide FORMAT TabSeparated`,
      Readable.from([lines]),
      crypto.randomUUID(),
      {
        max_partitions_per_insert_block: '100',
      },
    );
  expect(await thrown(limited)).toMatchObject({ code: 'CH_TOO_MANY_PARTITIONS', action: 'page' });
});

test('a run whose rows a constraint refuses says so in result, status and report without the row', async () => {
  const t = await createShop({ limits: { attempts: 1 } });
  await t.pg.query(`UPDATE shop.orders SET status = '${SECRET}' WHERE order_id = 50`);
  const plan = await t.refill.plan({ tenant: t.name, range: DAYS, strategy: 'replace', tables: ['purchase'] });
  // After the plan, so that no look before it can find the row.
  await t.command(`ALTER TABLE purchase ADD CONSTRAINT no_secret CHECK status != '${SECRET}'`);
  const outcome = await ended(t.refill.run(plan.id, { recount: false })).then(
    ({ events, result }) => told([events, result]),
    (error: unknown) => told(error),
  );
  expect(outcome).toContain('CH_ROWS_REFUSED');
  const [run] = await (await t.refill.ledger()).runs({ limit: 1 });
  const kept = run === undefined ? '' : told(await t.refill.status(run.id));
  expect(outcome + kept).not.toContain(SECRET);
});

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}

const page = (status: number, body: string, headers: Record<string, string> = {}) =>
  serve((request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(body);
  });

test('what answers in place of ClickHouse is named, and its page is not repeated', async () => {
  const { tcp, http } = inject('stack').clickhouse;
  const html = (title: string) => `<html><head><title>${title}</title></head><body>${SECRET}</body></html>`;
  const cases: readonly (readonly [string, string])[] = [
    [await page(502, html('502 Bad Gateway')), 'CH_UNREACHABLE'],
    [await page(503, 'no healthy upstream'), 'CH_UNREACHABLE'],
    [await page(504, html('504 Gateway Time-out')), 'CH_UNREACHABLE'],
    [await page(403, html('Forbidden')), 'CH_NOT_CLICKHOUSE'],
    [await page(200, html('Please log in')), 'CH_NOT_CLICKHOUSE'],
    [await page(302, '', { location: 'https://login.example' }), 'CH_NOT_CLICKHOUSE'],
    [await page(404, ''), 'CH_NOT_CLICKHOUSE'],
    [`http://127.0.0.1:${inject('stack').postgres.port}`, 'CH_UNREACHABLE'],
    [`http://127.0.0.1:${tcp}`, 'CH_NOT_CLICKHOUSE'],
    [http.replace('http:', 'https:'), 'CH_TLS'],
    ['http://127.0.0.1:1', 'CH_UNREACHABLE'],
    ['http://nowhere.invalid:8123', 'CH_UNREACHABLE'],
  ];
  for (const [url, code] of cases) {
    const error = await thrown(() => openAt(url).rows('SELECT 1 AS one'));
    expect([url, error]).toMatchObject([url, { code }]);
    expect(told(error)).not.toMatch(/SECRET|html/iu);
  }
});

test('an unknown code is told by its number alone', () => {
  const text = `Code: 59999. DB::Exception: the row '${SECRET}' (TOP_SECRET) (version 99.1)`;
  const thrownByClient = Object.assign(new Error(`the row '${SECRET}' `), { code: '59999', type: 'TOP_SECRET' });
  for (const error of [clickhouseError(new Error(text), 'here'), clickhouseError(thrownByClient, 'here')]) {
    expect(error).toBeInstanceOf(RefillError);
    expect(error).toMatchObject({ code: 'CH_QUERY', message: 'here: ClickHouse says 59999' });
  }
});
