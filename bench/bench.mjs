/**
 * npm run bench [-- --size tenant --rounds 3]: times Refill's parts on the embedded servers and sample data, side by side
 * with two baselines in the same rounds, and prints medians and ratios. Nothing here is a test: a ratio over its aim is
 * printed as such.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createClient } from '@clickhouse/client';
import { Client } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { createRefill, loadConfig, scorecards } from '../dist/index.js';
import { createPool } from '../dist/domain/pool.js';
import { makeSample } from '../dist/embedded/sample/make.js';
import { clickhouseSchemaSql } from '../dist/embedded/sample/schema.js';
import { removeEmbedded, startEmbedded } from '../dist/embedded/stack.js';
import { openReindexer } from '../dist/open-reindexer.js';
import { openCluster } from '../dist/steps/connect.js';
import { writeWindow } from '../dist/steps/reindex.js';
import { openWorkbench } from '../dist/steps/workbench.js';
import { resolveSecret } from '../dist/config/secrets.js';
import { pullStatement, viewStatement } from './baseline.mjs';

const { values: options } = parseArgs({
  options: { size: { type: 'string', default: 'tenant' }, rounds: { type: 'string', default: '3' } },
});
const SCRATCH = 'bench_scratch';
const TABLES = ['scorecard', 'score'];
const DEFINITIONS = scorecards.tables.filter((table) => TABLES.includes(table.name));

const dir = await mkdtemp(join(tmpdir(), 'refill-bench-'));
const stack = await startEmbedded({ dir, attached: true, temporary: true });
const say = (text) => process.stdout.write(`${text}\n`);
try {
  say(`making the sample ${options.size} …`);
  const sample = await makeSample({
    postgres: stack.postgres,
    clickhouse: { url: stack.clickhouse.http },
    size: options.size,
    denormalised: false,
  });
  const tenant = { customer: sample.customer, profile: sample.profile };
  const { host, port, user, password } = stack.postgres;
  const source = new Client({ host, port, user, password, database: sample.database });
  // The servers end before this connection where something fails: the failure itself is what is told.
  source.on('error', () => undefined);
  await source.connect();
  for (const table of DEFINITIONS) await source.query(viewStatement(table, tenant));
  const ch = createClient({ url: stack.clickhouse.http, request_timeout: 3_600_000, log: { level: 127 } });
  for (const query of clickhouseSchemaSql({ database: SCRATCH })) await ch.command({ query });
  const truncate = async () => {
    for (const table of TABLES) await ch.command({ query: `TRUNCATE TABLE ${SCRATCH}.${table}` });
  };

  const { config } = await loadConfig({ file: stack.config });
  const refill = createRefill(config);
  const [clusterName, clusterConfig] = Object.entries(config.clusters)[0];
  const cluster = await openCluster(clusterName, clusterConfig, resolveSecret, openReindexer);
  const bench = await openWorkbench(
    cluster,
    { ...tenant, cluster: clusterName, sourceDatabase: sample.database, targetDatabase: SCRATCH },
    scorecards,
    TABLES,
  );
  const plan = await refill.plan({ tenant, range: sample.range });

  const subjects = {
    'COPY of the same rows, thrown away': async () => {
      for (const table of TABLES) {
        for await (const chunk of source.query(copyTo(`COPY (SELECT * FROM bench_${table}) TO STDOUT`))) void chunk;
      }
    },
    'ClickHouse pulls with postgresql()': async () => {
      await truncate();
      for (const table of DEFINITIONS) {
        await ch.command({ query: pullStatement(table, SCRATCH, stack.postgres, sample.database, tenant) });
      }
    },
    're-index (write all windows, sums included)': async () => {
      await truncate();
      const pool = createPool(plan.limits.windows);
      const nothing = async () => undefined;
      const { signal } = new AbortController();
      const options = { keepAttempt: async () => ({}), stillOurs: nothing, onRows: () => undefined, signal };
      await Promise.all(plan.windows.map((window) => pool.run(() => writeWindow(bench, window, options))));
    },
    'verify (of equal sides)': async () => {
      const result = await refill.verify({ tenant, range: sample.range });
      if (!result.ok) throw new Error('verify found differences after the run');
    },
  };

  let whole;
  async function wholeRun() {
    return runCli([
      'run',
      `${tenant.customer}/${tenant.profile}`,
      '--from',
      sample.range.from,
      '--to',
      sample.range.to,
      '--execute',
      '--json',
      '--config',
      stack.config,
    ]);
  }

  const seconds = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));
  await cleanWarm(source);
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const [name, run] of Object.entries(subjects)) {
      if (name.startsWith('verify')) whole ??= await wholeRun();
      const began = performance.now();
      await run();
      seconds[name].push((performance.now() - began) / 1000);
      say(`  round ${round + 1}: ${name}: ${seconds[name].at(-1).toFixed(1)} s`);
    }
  }
  const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const ratio = (a, b) => median(seconds[a].map((s, i) => s / seconds[b][i]));
  const [copy, pull, reindex, verify] = Object.keys(subjects);
  const parts = await (
    await ch.query({
      query: `SELECT toString(max(n)) AS parts FROM (SELECT count() AS n FROM system.part_log WHERE event_type = 'NewPart' AND database = '${sample.database}' GROUP BY query_id, partition_id)`,
      format: 'JSONEachRow',
    })
  )
    .json()
    .catch(() => [{ parts: 'unknown' }]);
  say('');
  say(
    `sample ${options.size}: ${plan.counts.map((c) => `${c.source.toLocaleString('en')} ${c.table}`).join(', ')}; ${plan.windows.length} windows; medians of ${options.rounds} rounds`,
  );
  for (const name of Object.keys(subjects))
    say(`  ${name.padEnd(46)} ${median(seconds[name]).toFixed(1).padStart(6)} s`);
  say(`  ${'whole run by the command line, with proof'.padEnd(46)} ${whole.seconds.toFixed(1).padStart(6)} s`);
  say('');
  const line = (what, value, aim) =>
    say(`  ${what.padEnd(46)} ${value.toFixed(2).padStart(6)}   aim: at most ${aim}${value > aim ? '   OVER' : ''}`);
  line('re-index / pull', ratio(reindex, pull), 1.0);
  line('re-index / COPY', ratio(reindex, copy), 1.5);
  line('verify / re-index', ratio(verify, reindex), 1.0);
  line('whole run, seconds', whole.seconds, 60);
  line("the command line's memory at most, MB", whole.megabytes, 300);
  say(
    `  ${'new parts an insert makes in a partition, most'.padEnd(46)} ${String(parts[0]?.parts).padStart(6)}   aim: a few`,
  );
  await refill.close();
  await cluster.close();
  await source.end();
  await ch.close();
} finally {
  await removeEmbedded(dir);
}

/** Reads everything once, so that no subject pays for a cold cache. */
async function cleanWarm(source) {
  await source.query('SELECT count(*) FROM director.scores');
  await source.query('SELECT count(*) FROM director.scorecards');
}

/** Runs the command line and watches its memory. */
async function runCli(args) {
  const began = performance.now();
  const child = spawn(process.execPath, ['dist/cli/main.js', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let last = '';
  child.stdout.on('data', (chunk) => (last = (last + chunk).split('\n').slice(-3).join('\n')));
  let kilobytes = 0;
  const look = async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    kilobytes = Math.max(kilobytes, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
  };
  const watch = setInterval(() => void look(), 200);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(watch);
  if (code !== 0) throw new Error(`the run ended with ${code}: ${last}`);
  return { seconds: (performance.now() - began) / 1000, megabytes: kilobytes / 1024 };
}
