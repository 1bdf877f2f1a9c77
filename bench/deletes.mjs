/**
 * npm run bench:deletes [-- --size tenant --rounds 5]: deletes shares of a month of the sample's scores by each kind of
 * delete, and prints how long each takes, what a reader of the month pays afterwards, what is left on the disk until a
 * merge, and which kind Refill chooses. Nothing here is a test.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createClient } from '@clickhouse/client';
import { chooseKind, DELETE_KINDS } from '../dist/domain/delete-kind.js';
import { makeSample } from '../dist/embedded/sample/make.js';
import { clickhouseSchemaSql } from '../dist/embedded/sample/schema.js';
import { removeEmbedded, startEmbedded } from '../dist/embedded/stack.js';
import { deleteStatement } from '../dist/target/mutations.js';

const { values: options } = parseArgs({
  options: { size: { type: 'string', default: 'tenant' }, rounds: { type: 'string', default: '5' } },
});
const DAYS = 31;
const SHARES = { '1/31': 1, '1/10': DAYS / 10, '1/4': DAYS / 4, '1/2': DAYS / 2, whole: DAYS };
const SCRATCH = { database: 'bench_deletes', name: 'score' };
const PARTITION = '202601';
const PLACE = `${SCRATCH.database}.${SCRATCH.name}`;
const OF_MONTH = `database = '${SCRATCH.database}' AND table = '${SCRATCH.name}' AND partition_id = '${PARTITION}' AND active`;

const say = (text = '') => process.stdout.write(`${text}\n`);
const dir = await mkdtemp(join(tmpdir(), 'refill-bench-deletes-'));
const stack = await startEmbedded({ dir, attached: true, temporary: true });
const ch = createClient({ url: stack.clickhouse.http, request_timeout: 3_600_000, log: { level: 127 } });
try {
  say(`making the sample ${options.size} …`);
  const { postgres, clickhouse } = stack;
  const place = { postgres, clickhouse: { url: clickhouse.http } };
  const sample = await makeSample({ ...place, size: options.size, denormalised: false });
  for (const query of clickhouseSchemaSql({ database: SCRATCH.database })) await ch.command({ query });
  // One part, as merges leave a month that is over.
  await ch.command({ query: `OPTIMIZE TABLE ${sample.database}.score PARTITION ${PARTITION} FINAL` });

  const found = new Map();
  for (let round = 0; round < Number(options.rounds); round += 1)
    for (const [name, days] of Object.entries(SHARES))
      for (const kind of DELETE_KINDS) {
        const one = await measure(sample.database, days, kind);
        found.set(`${name} ${kind}`, [...(found.get(`${name} ${kind}`) ?? []), one]);
      }
  print(found);
} finally {
  await ch.close();
  await removeEmbedded(dir);
}

/** Deletes the first days of a fresh copy of the month. */
async function measure(from, days, kind) {
  await ch.command({ query: `TRUNCATE TABLE ${PLACE}` });
  await ch.command({ query: `ALTER TABLE ${PLACE} ATTACH PARTITION ${PARTITION} FROM ${from}.score` });
  const rows = Number(await value(`SELECT sum(rows) FROM system.parts WHERE ${OF_MONTH}`));
  const end = new Date(Date.UTC(2026, 0, 1) + days * 86_400_000).toISOString().replace('T', ' ').replace('Z', '');
  const condition = `scorecard_time >= '2026-01-01' AND scorecard_time < '${end}'`;
  const deleted = Number(await value(`SELECT count() FROM ${PLACE} WHERE ${condition}`));
  const statement = deleteStatement(SCRATCH, { condition, nonce: 'bench', partition: PARTITION, kind });
  const ms = await timed(() => ch.command({ query: statement, clickhouse_settings: { mutations_sync: '1' } }));
  const read = () => value(`SELECT sum(cityHash64(*)) FROM ${PLACE}`);
  await read();
  const bytes = Number(await value(`SELECT sum(bytes_on_disk) FROM system.parts WHERE ${OF_MONTH}`));
  return { share: deleted / rows, rows, ms, readMs: await timed(read), bytes };
}

async function value(query) {
  const [row] = await (await ch.query({ query: `SELECT toString((${query})) AS v`, format: 'JSONEachRow' })).json();
  return row.v;
}

async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function print(found) {
  const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const [first] = found.values();
  say('');
  say(
    `${first[0].rows.toLocaleString('en')} scores of a month in one part, ${(first[0].bytes / 1e6).toFixed(0)} MB after its first delete; medians of ${options.rounds} rounds`,
  );
  say('');
  const row = (...cells) => say(`  ${cells.map((cell, i) => (i === 0 ? cell.padEnd(8) : cell.padStart(13))).join('')}`);
  row('share', 'of its rows', 'rewrite', 'lightweight', 'ratio', 'reader after', 'after', 'on the disk', '', 'chosen');
  row('', '', 'ms', 'ms', '', 'rewrite, ms', 'lightw., ms', 'rewr., MB', 'lightw., MB', '');
  for (const name of Object.keys(SHARES)) {
    const of = (kind, what) => median(found.get(`${name} ${kind}`).map((one) => one[what]));
    const [rewrite, lightweight] = DELETE_KINDS.map((kind) => of(kind, 'ms'));
    row(
      name,
      `${Math.round(of('rewrite', 'share') * 100)} %`,
      rewrite.toFixed(0),
      lightweight.toFixed(0),
      `${(rewrite / lightweight).toFixed(1)} : 1`,
      ...DELETE_KINDS.map((kind) => of(kind, 'readMs').toFixed(0)),
      ...DELETE_KINDS.map((kind) => (of(kind, 'bytes') / 1e6).toFixed(0)),
      chooseKind('auto', of('rewrite', 'share')),
    );
  }
}
