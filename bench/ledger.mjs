/**
 * npm run bench:ledger [-- --windows 1000000]: fills a ledger with a fleet of 95 tenants and so many windows, and times
 * what `refill status f-…` asks of it. Nothing here is a test: a number over its aim is printed as such.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { createRefill } from '../dist/index.js';
import { removeEmbedded, startEmbedded } from '../dist/embedded/stack.js';

const { values: options } = parseArgs({ options: { windows: { type: 'string', default: '1000000' } } });
const TENANTS = 95;
const AIM_MS = 200;
const LOOKS = 20;
const windows = Math.ceil(Number(options.windows) / TENANTS);

const say = (text = '') => process.stdout.write(`${text}\n`);
const dir = await mkdtemp(join(tmpdir(), 'refill-bench-ledger-'));
const stack = await startEmbedded({ dir, attached: true, temporary: true });
const { host, port, user, password } = stack.postgres;
process.env.BENCH_PASSWORD = password;
const admin = new Client({ host, port, user, password, database: 'postgres' });
const sql = new Client({ host, port, user, password, database: 'bench_ledger' });
const refill = createRefill({
  ledger: { host, port, user, password: 'env:BENCH_PASSWORD', database: 'bench_ledger' },
  clusters: {
    east: { postgres: { host, port, user }, clickhouse: { urls: [stack.clickhouse.http], user: 'default' } },
  },
  datasets: ['scorecards'],
});
try {
  await admin.connect();
  await admin.query('CREATE DATABASE bench_ledger');
  await refill.runs();
  await sql.connect();
  const began = performance.now();
  await fill();
  say(`${TENANTS} tenants x ${windows} windows in ${((performance.now() - began) / 1000).toFixed(1)} s`);

  await report('refill status f-bench (the fleet)', () => refill.fleetStatus('f-bench'));
  await report('refill runs', () => refill.runs({ limit: 20 }));
  await sql.query(
    `UPDATE refill.run_window SET state = 'written', rows = source_rows, finished_at = now() WHERE id % 3 = 0`,
  );
  await report('refill status f-bench, a third of the windows written anew', () => refill.fleetStatus('f-bench'));
  const { clusters } = await refill.fleetStatus('f-bench');
  say(`  rows written: ${clusters.reduce((n, one) => n + one.rowsWritten, 0)}`);
} finally {
  await refill.close();
  await sql.end();
  await admin.end();
  await removeEmbedded(dir);
}

async function report(what, ask) {
  const times = [];
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  for (let n = 0; n < LOOKS; n++) {
    const begun = performance.now();
    await ask();
    times.push(performance.now() - begun);
  }
  times.sort((a, b) => a - b);
  const [median, most] = [times[LOOKS / 2], times.at(-1)];
  const grown = (process.memoryUsage().rss - before) / 1_048_576;
  say(
    `  ${what.padEnd(60)} median ${median.toFixed(1)} ms, at most ${most.toFixed(1)} ms, memory ${grown >= 0 ? '+' : ''}${grown.toFixed(1)} MB; aim: under ${AIM_MS} ms${most < AIM_MS ? '' : '   OVER'}`,
  );
}

/** Plans, runs, deletes and windows as the ledger keeps them; the triggers count as they do for real. */
async function fill() {
  const body = { id: 'f-bench', createdAt: new Date().toISOString(), createdBy: 'bench', dataset: 'scorecards' };
  const request = { range: { from: '2026-01-01T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' } };
  const reach = { tenants: TENANTS, clusters: 5, rowsToDelete: 1, rowsToWrite: 1, rowsToRewrite: 1 };
  await sql.query(`INSERT INTO refill.plan SELECT 'p-' || n, now(), '{}', '{}' FROM generate_series(1, ${TENANTS}) n`);
  await sql.query(`INSERT INTO refill.fleet (id, created_at, body, state) VALUES ('f-bench', now(), $1, 'running')`, [
    JSON.stringify({ ...body, request, reach, members: [], unknown: [] }),
  ]);
  await sql.query(`INSERT INTO refill.fleet_member (fleet, position, cluster, customer, profile, plan, rows_before, rows_to_write)
    SELECT 'f-bench', n, 'cluster-' || n % 5, 'tenant-' || n, 'main', 'p-' || n, 1000, 1000 FROM generate_series(1, ${TENANTS}) n`);
  await sql.query(`INSERT INTO refill.run (id, plan, cluster, customer, profile, source_database, target_database, dataset, strategy, range_from, range_to, state)
    SELECT 'r-' || n, 'p-' || n, 'cluster-' || n % 5, 'tenant-' || n, 'main', 'a', 'a', 'scorecards', 'replace', '2026-01-01', '2026-02-01', 'running'
    FROM generate_series(1, ${TENANTS}) n`);
  await sql.query(`INSERT INTO refill.run_delete (run, id, range_from, range_to, state)
    SELECT 'r-' || n, 1, '2026-01-01', '2026-02-01', 'pending' FROM generate_series(1, ${TENANTS}) n`);
  for (let n = 1; n <= TENANTS; n++) {
    await sql.query(
      `INSERT INTO refill.run_window (run, id, delete_id, range_from, range_to, source_rows, state, rows)
       SELECT $1, w, 1, '2026-01-01', '2026-02-01', 100, CASE WHEN w % 2 = 0 THEN 'written' ELSE 'pending' END, CASE WHEN w % 2 = 0 THEN 100 ELSE 0 END
       FROM generate_series(1, $2::integer) w`,
      [`r-${n}`, windows],
    );
  }
  await sql.query('ANALYZE');
}
