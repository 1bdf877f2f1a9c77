/**
 * npm run bench:temporal [-- --size tenant --rounds 1]: the same run by the local executor and over
 * Temporal with one worker, side by side; then many windows of almost nothing by two workers, for what orchestration
 * costs. Nothing here is a test: a number over its aim is printed as such.
 */
import { spawn } from 'node:child_process';
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

/** The aims of the issue. */
const AIMS = { ratio: 1.15, cpuMsPerWindow: 40, workerMb: 350 };
/** The kernel counts CPU time in ticks of 10 ms. */
const TICK_MS = 10;

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: 'tenant' },
    rounds: { type: 'string', default: '1' },
  },
});
const say = (text) => process.stdout.write(`${text}\n`);
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

const dir = await mkdtemp(join(tmpdir(), 'refill-bench-temporal-'));
const stack = await startEmbedded({ dir, attached: true, temporary: true });
const temporalDir = await mkdtemp(join(tmpdir(), 'refill-bench-server-'));
const server = await startTemporal({ dir: temporalDir, namespace: 'default', attached: true });
const workers = [];
try {
  say(`making the sample ${options.size} …`);
  const sample = await makeSample({
    postgres: stack.postgres,
    clickhouse: { url: stack.clickhouse.http },
    size: options.size,
    denormalised: false,
  });
  const tenant = { customer: sample.customer, profile: sample.profile };
  const { config } = await loadConfig({ file: stack.config });
  const over = (limits = {}) => ({
    ...config,
    limits: { ...config.limits, ...limits },
    executor: 'temporal',
    temporal: { address: server.address, namespace: 'default', tls: false, taskQueue: 'bench' },
  });
  const range = sample.range;

  workers.push(await startWorker(over()));
  const local = createRefill(config);
  const temporal = createRefill(over());
  const times = { local: [], temporal: [] };
  for (let round = 0; round < Number(options.rounds); round += 1) {
    times.local.push(await timed(local, tenant, range));
    times.temporal.push(await timed(temporal, tenant, range));
    say(`round ${round + 1}: local ${times.local.at(-1)} s, temporal ${times.temporal.at(-1)} s`);
  }
  const ratio = median(times.temporal) / median(times.local);
  tell('the same run over Temporal with one worker', `${ratio.toFixed(2)} x`, ratio <= AIMS.ratio, `${AIMS.ratio} x`);
  const mb = workers[0].mb();
  tell('memory of the worker at its most', `${mb} MB`, mb <= AIMS.workerMb, `${AIMS.workerMb} MB`);

  // As small as windows get.
  const limits = { windowRows: 1, windows: 4 };
  workers.push(await startWorker(over()));
  const many = createRefill(over(limits));
  const before = [server.process.pid, ...workers.map((w) => w.pid)].map(cpuMs);
  const plan = await many.plan({ tenant, range });
  const began = Date.now();
  await end(many.run(plan.id, { recount: false, confirmRows: plan.cost.rowsToDelete }));
  const wall = Date.now() - began;
  const spent = [server.process.pid, ...workers.map((w) => w.pid)].map((pid, i) => cpuMs(pid) - before[i]);
  const n = plan.windows.length;
  const [serverMs, ...workerMs] = spent.map((ms) => ms / n);
  say(`${n} windows in ${(wall / 1000).toFixed(1)} s: ${(wall / n).toFixed(1)} ms each`);
  const aim = `${AIMS.cpuMsPerWindow} ms`;
  tell('server CPU for each window', `${serverMs.toFixed(1)} ms`, serverMs <= AIMS.cpuMsPerWindow, aim);
  const both = workerMs.reduce((sum, ms) => sum + ms, 0);
  tell('worker CPU for each window', `${both.toFixed(1)} ms`, both <= AIMS.cpuMsPerWindow, aim);
  say(
    `shares of the two workers by their CPU: ${workerMs.map((ms) => `${Math.round((100 * ms) / both)} %`).join(', ')}`,
  );
  for (const refill of [local, temporal, many]) await refill.close();
} finally {
  for (const worker of workers) worker.child.kill('SIGKILL');
  await rm(temporalDir, { recursive: true, force: true });
}
process.exit(0);

function tell(what, value, kept, aim) {
  say(`${what}: ${value} (aim ${aim}${kept ? '' : ', MISSED'})`);
}

async function timed(refill, tenant, range) {
  const plan = await refill.plan({ tenant, range });
  const began = Date.now();
  await end(refill.run(plan.id, { recount: false, confirmRows: plan.cost.rowsToDelete }));
  return (Date.now() - began) / 1000;
}

async function end(events) {
  let last;
  for await (const event of events) last = event;
  if (last?.state !== 'succeeded') throw new Error(`the run is ${last?.state}: ${last?.error?.message ?? ''}`);
}

async function startWorker(config) {
  const file = join(temporalDir, `worker-${workers.length}.yaml`);
  // JSON is YAML too.
  await writeFile(file, JSON.stringify({ ...config, datasets: config.datasets.map((d) => d.name) }));
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
