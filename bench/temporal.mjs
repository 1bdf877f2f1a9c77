/**
 * npm run bench:temporal [-- --size tenant --rounds 1 --windows 10000]: the same run by the local executor and over
 * Temporal with one worker, side by side; then twenty windows, and very many of almost nothing, by two workers: how they
 * share, and what orchestration costs. Nothing here is a test: a number over its aim is printed as such.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRefill, loadConfig } from '../dist/index.js';
import { makeSample } from '../dist/embedded/sample/make.js';
import { startEmbedded } from '../dist/embedded/stack.js';
import { startTemporal } from '../dist/embedded/temporal.js';
import { temporalBinary } from '../dist/embedded/temporal-binary.js';
import { makeHours } from './hours.mjs';

/** The aims of the issue. */
const AIMS = { ratio: 1.15, cpuMsPerWindow: 40, workerMb: 350 };
/** The kernel counts CPU time in ticks of 10 ms. */
const TICK_MS = 10;

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: 'tenant' },
    rounds: { type: 'string', default: '1' },
    windows: { type: 'string', default: '10000' },
  },
});
const say = (text) => process.stdout.write(`${text}\n`);
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

const dir = await mkdtemp(join(tmpdir(), 'refill-bench-temporal-'));
const stack = await startEmbedded({ dir, attached: true, temporary: true });
const temporalDir = await mkdtemp(join(tmpdir(), 'refill-bench-server-'));
const server = await startTemporal({ dir: temporalDir, namespace: 'default', attached: true });
const workers = [];
const opened = [];
try {
  say(`making the sample ${options.size} …`);
  const sample = await makeSample({
    postgres: stack.postgres,
    clickhouse: { url: stack.clickhouse.http },
    size: options.size,
    denormalised: false,
  });
  const tenant = { customer: sample.customer, profile: sample.profile };
  const { range } = sample;
  const { config } = await loadConfig({ file: stack.config });

  const first = await overTemporal('sample', config, ['scorecards']);
  workers.push(await startWorker(first.file));
  if (Number(options.rounds) > 0) await sideBySide(open(config), first.refill, { tenant, range });
  workers.push(await startWorker(first.file));
  await twentyWindows(first.config, { tenant, range });
  for (const worker of workers.splice(0)) worker.child.kill('SIGKILL');

  const hours = await makeHours(stack, temporalDir, Number(options.windows));
  const [local] = Object.values(config.clusters);
  const clusters = { hours: { ...local, tenants: [{ ...hours.tenant, database: hours.database }] } };
  const many = { ...config, clusters, limits: { ...config.limits, windowRows: 1, windows: 4 } };
  const second = await overTemporal('hours', many, [hours.dataset]);
  for (let n = 0; n < 2; n += 1) workers.push(await startWorker(second.file));
  await manyWindows(second.refill, { tenant: hours.tenant, range: hours.range });
} finally {
  for (const refill of opened) await refill.close();
  for (const worker of workers) worker.child.kill('SIGKILL');
  await rm(temporalDir, { recursive: true, force: true });
}
process.exit(0);

/** The same run by both executors. */
async function sideBySide(local, temporal, request) {
  const times = { local: [], temporal: [] };
  for (let round = 0; round < Number(options.rounds); round += 1) {
    times.local.push(await timed(local, request));
    times.temporal.push(await timed(temporal, request));
    say(`round ${round + 1}: local ${times.local.at(-1)} s, temporal ${times.temporal.at(-1)} s`);
  }
  const ratio = median(times.temporal) / median(times.local);
  tell('the same run over Temporal with one worker', `${ratio.toFixed(2)} x`, ratio <= AIMS.ratio, `${AIMS.ratio} x`);
  const mb = workers[0].mb();
  tell('memory of the worker at its most', `${mb} MB`, mb <= AIMS.workerMb, `${AIMS.workerMb} MB`);
}

/** About twenty windows: which worker wrote how many, by the workflow's history. */
async function twentyWindows(config, request) {
  const { cost } = await open(config).plan(request);
  const windowRows = Math.ceil(cost.rowsToWrite / 20);
  // As the rate is known by now, the seconds decide.
  const windowSeconds = (4 * windowRows) / (cost.rowsPerSecond ?? windowRows);
  const limits = { ...config.limits, windowRows, windowSeconds, windows: 4 };
  const { run, windows } = await execute(open({ ...config, limits }), request);
  const shares = windowsByWorker(run);
  const even = shares.length === 2 && Math.max(...shares) - Math.min(...shares) <= windows / 10;
  tell(`${windows} windows by two workers`, shares.join(' and '), even, 'a tenth of them apart at most');
}

/** What orchestration costs, where there is nothing else to do. */
async function manyWindows(refill, request) {
  const pids = [server.process.pid, ...workers.map((w) => w.pid)];
  const before = pids.map(cpuMs);
  const began = Date.now();
  const { windows } = await execute(refill, request);
  const wall = Date.now() - began;
  const [serverMs, ...workerMs] = pids.map((pid, i) => (cpuMs(pid) - before[i]) / windows);
  say(`${windows} windows in ${(wall / 1000).toFixed(1)} s: ${(wall / windows).toFixed(1)} ms each`);
  const aim = `${AIMS.cpuMsPerWindow} ms`;
  tell('server CPU for each window', `${serverMs.toFixed(1)} ms`, serverMs <= AIMS.cpuMsPerWindow, aim);
  const both = workerMs.reduce((sum, ms) => sum + ms, 0);
  tell('worker CPU for each window', `${both.toFixed(1)} ms`, both <= AIMS.cpuMsPerWindow, aim);
  say(`of which the two workers: ${workerMs.map((ms) => `${Math.round((100 * ms) / both)} %`).join(', ')}`);
  for (const [n, worker] of workers.entries())
    tell(`memory of worker ${n + 1}`, `${worker.mb()} MB`, worker.mb() <= AIMS.workerMb, `${AIMS.workerMb} MB`);
}

/** Windows that each worker of a run has written. */
function windowsByWorker(run) {
  const at = ['--address', server.address, '--workflow-id', `refill-${run}`, '--output', 'json'];
  const shown = execFileSync(temporalBinary(), ['workflow', 'show', ...at], { maxBuffer: 1e9, encoding: 'utf8' });
  const { events } = JSON.parse(shown);
  const writes = new Set();
  const shares = new Map();
  for (const event of events) {
    const { activityTaskScheduledEventAttributes: scheduled, activityTaskStartedEventAttributes: started } = event;
    if (scheduled?.activityType.name === 'refillWriteWindow') writes.add(event.eventId);
    if (started && writes.has(started.scheduledEventId))
      shares.set(started.identity, (shares.get(started.identity) ?? 0) + 1);
  }
  return [...shares.values()];
}

/** A configuration over Temporal, on task queues of its own, as a file for workers and opened here. */
async function overTemporal(name, config, datasets) {
  const temporal = { address: server.address, namespace: 'default', taskQueue: `bench-${name}` };
  const file = join(temporalDir, `${name}.yaml`);
  // JSON is YAML too.
  await writeFile(file, JSON.stringify({ ...config, executor: 'temporal', temporal, datasets }));
  const loaded = (await loadConfig({ file })).config;
  return { file, config: loaded, refill: open(loaded) };
}

function open(config) {
  const refill = createRefill(config);
  opened.push(refill);
  return refill;
}

function tell(what, value, kept, aim) {
  say(`${what}: ${value} (aim ${aim}${kept ? '' : ', MISSED'})`);
}

async function timed(refill, request) {
  const { seconds } = await execute(refill, request);
  return seconds;
}

/** Plans and runs; the time is the run's. */
async function execute(refill, request) {
  const plan = await refill.plan(request);
  const began = Date.now();
  let last;
  for await (const event of refill.run(plan.id, { recount: false, confirmRows: plan.cost.rowsToDelete })) last = event;
  if (last?.state !== 'succeeded') throw new Error(`the run is ${last?.state}: ${last?.error?.message ?? ''}`);
  return { run: last.run, windows: plan.windows.length, seconds: (Date.now() - began) / 1000 };
}

async function startWorker(file) {
  const child = spawn(process.execPath, [main, 'worker', '--json', '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve, reject) => {
    child.stdout.on('data', (text) => String(text).includes('"ready"') && resolve());
    child.once('exit', () => reject(new Error('the worker has ended')));
  });
  const status = () => readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return { child, pid: child.pid, mb: () => Math.round(Number(/VmHWM:\s+(\d+)/u.exec(status())?.[1]) / 1024) };
}

/** CPU time of a process so far. */
function cpuMs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
}
