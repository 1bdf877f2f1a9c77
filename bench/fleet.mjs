/**
 * npm run bench:fleet [-- --size fleet-small --alone 1,3,12 | --beside]: makes a fleet in a box, then times the survey of
 * all its tenants, the planning, and the unattended run with proof by the command line; beside it, tenants of these ranks
 * run alone, and the smallest beside the largest, each made anew so that as much is wrong with it as in the fleet.
 * `--beside` does that last part alone. Prints numbers beside their aims. Nothing here is a test: a number over its aim is
 * printed as such, and the exit status is 1 only where a run did not end well.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { loadConfig } from '../dist/index.js';
import { cutDeletes, cutWindows, HOUR_MS } from '../dist/domain/windows.js';
import { removeFleet, startFleet } from '../dist/embedded/fleet.js';
import { makeFleetSample } from '../dist/embedded/sample/fleet.js';
import { CAMPAIGN } from '../dist/embedded/sample/sizes.js';
import { clustersOf, FLEET_SHAPES, fleetTenants } from '../dist/embedded/sample/fleet-shape.js';
import { hourShares } from '../dist/embedded/sample/shape.js';
import { makeTenant } from '../dist/embedded/sample/make.js';
import { rowsIn } from '../dist/steps/survey.js';

/** A tenant with nothing but 4 rows: it should not wait for the others. */
const FOUR_ROWS_AIM_SECONDS = 10;
const FLEET_AIM_SECONDS = 300;
const ALONE = { fleet: '1,2,5,10,20,48,95', 'fleet-small': '1,3,6,12' };

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: 'fleet' },
    alone: { type: 'string' },
    beside: { type: 'boolean', default: false },
  },
});
const shape = FLEET_SHAPES[options.size];
if (shape === undefined) throw new Error(`--size is one of ${Object.keys(FLEET_SHAPES).join(', ')}`);
const ranks = (options.alone ?? ALONE[options.size]).split(',').map(Number);

const say = (text = '') => process.stdout.write(`${text}\n`);
const since = (began) => (performance.now() - began) / 1000;
const number = (value) => Math.round(value).toLocaleString('en');
const name = ({ customer, profile }) => `${customer}/${profile}`;

const dir = await mkdtemp(join(tmpdir(), 'refill-bench-fleet-'));
const began = performance.now();
try {
  const fleet = await startFleet({ dir, clusters: clustersOf(options.size), attached: true, temporary: true });
  const engines = new Set(fleet.clusters.map(({ engine }) => engine)).size;
  say(`${fleet.clusters.length} clusters on ${engines} engines, up after ${since(began).toFixed(1)} s`);
  await (options.beside ? measureBeside(fleet) : measureAll(fleet));
} finally {
  await removeFleet(dir);
}

function fact(what, value, unit) {
  say(`  ${what.padEnd(54)} ${value.toFixed(1).padStart(8)} ${unit}`);
}

function line(what, value, unit, aim, met = value <= aim) {
  say(
    `  ${what.padEnd(54)} ${value.toFixed(1).padStart(8)} ${unit.padEnd(3)} aim: at most ${aim}${met ? '' : '   OVER'}`,
  );
}

async function measureBeside(fleet) {
  const range = ['--from', CAMPAIGN.from, '--to', CAMPAIGN.to];
  const rest = ['--json', '--config', fleet.config];
  const tenants = fleetTenants(shape, 1);
  tellBeside(await besideTheLargest(fleet, { range: CAMPAIGN }, tenants, [...range, ...rest]));
}

function tellBeside({ smallest, largest }) {
  line('4 rows, beside the largest on its cluster, done after', smallest, 's', FOUR_ROWS_AIM_SECONDS);
  fact('while the largest is at work for', largest, 's');
}

async function measureAll(fleet) {
  say(`making the sample ${options.size} …`);
  const sample = await makeFleetSample({ fleet, shape });
  const scores = sample.tenants.reduce((sum, tenant) => sum + tenant.scores, 0);
  const days = (Date.parse(sample.range.to) - Date.parse(sample.range.from)) / (24 * HOUR_MS);
  say(`  ${sample.tenants.length} tenants, ${number(scores)} scores in ${(sample.durationMs / 1000).toFixed(1)} s`);
  const config = ['--config', fleet.config];
  const range = ['--from', sample.range.from, '--to', sample.range.to];

  const surveyed = await cli(['survey', '--all', ...range, '--json', ...config]);
  say(`  refill survey --all: ${surveyed.seconds.toFixed(1)} s`);
  const planning = await planFromSurvey(fleet, sample);
  const planned = await cli(['plan', '--all', ...range, '--json', ...config]);
  const plan = JSON.parse(planned.last);
  say(`  refill plan --all: ${planned.seconds.toFixed(1)} s`);

  const smallest = sample.tenants.at(-1);
  const confirm = ['--confirm-rows', String(plan.reach.rowsToDelete)];
  const whole = await cli(['run', plan.id, '--execute', '--json', ...confirm, ...config], (event, at, times) => {
    if (event.type === 'result' && name(event.tenant) === name(smallest)) times.smallest ??= at;
  });
  const result = JSON.parse(whole.last);
  if (result.type !== 'fleet-result') throw new Error(`the fleet ended with ${whole.code}: ${whole.last}`);
  say(`  refill run: ${whole.seconds.toFixed(1)} s, ${result.state}`);

  const alone = [];
  const byRank = fleetTenants(shape, sample.seed);
  for (const tenant of byRank.filter(({ rank }) => ranks.includes(rank))) {
    await makeAnew(fleet, sample, tenant);
    const run = await cli([
      'run',
      name(tenant),
      '--cluster',
      tenant.cluster,
      ...range,
      '--execute',
      '--json',
      ...config,
    ]);
    alone.push({ scores: scoresOf(tenant), seconds: run.seconds });
    say(`  alone, rank ${tenant.rank}, ${number(scoresOf(tenant))} scores: ${run.seconds.toFixed(1)} s`);
  }
  const beside = await besideTheLargest(fleet, sample, byRank, [...range, '--json', ...config]);
  const sum = byRank.reduce((total, tenant) => total + secondsAlone(alone, scoresOf(tenant)), 0);

  say();
  say(`${cpus().length} cores, ${sample.tenants.length} tenants x ${days} days, ${number(scores)} scores`);
  fact('survey of all tenants', surveyed.seconds, 's');
  line('windows and deletes of all, from a finished survey', planning, 's', 2);
  fact('refill plan --all, survey and checks included', planned.seconds, 's');
  const ratio = whole.seconds / sum;
  // One of the two is enough.
  line(
    'the fleet, unattended, with proof',
    whole.seconds,
    's',
    FLEET_AIM_SECONDS,
    whole.seconds <= FLEET_AIM_SECONDS || ratio <= 1.5,
  );
  fact(`its tenants alone, one after the other (${alone.length} measured)`, sum, 's');
  line('the fleet / its tenants alone', ratio, 'x', 1.5, ratio <= 1.5 || whole.seconds <= FLEET_AIM_SECONDS);
  tellBeside(beside);
  fact('4 rows, with all of the fleet begun at once, done after', whole.times.smallest ?? Number.NaN, 's');
  line('memory of the run at most', whole.megabytes, 'MB', 300);
  fact('memory of the planning at most', planned.megabytes, 'MB');
  const { proven, differences, failed, left } = result.tenants;
  say(
    `  tenants: ${proven} proven, ${differences} with differences, ${failed} failed, ${left} left; exit ${whole.code}`,
  );
  if (whole.code !== 0) {
    for (const { customer, profile, reason } of result.unproven) say(`    ${customer}/${profile}: ${reason}`);
    process.exitCode = 1;
  }
}

function scoresOf({ counts }) {
  return counts.keptScores + counts.appealScores;
}

async function makeAnew(fleet, { range }, tenant) {
  const { postgres, clickhouse } = fleet.clusters.find((one) => one.name === tenant.cluster);
  const mark = 'fleet, alone';
  await makeTenant({ ...tenant, postgres, clickhouse: { url: clickhouse.http }, range, mark, replace: true });
}

/** Seconds from the start of a fleet of two, on one cluster, until each is proven; the largest begins first. */
async function besideTheLargest(fleet, sample, byRank, options) {
  const [largest, smallest] = [byRank[0], byRank.at(-1)];
  if (largest.cluster !== smallest.cluster) throw new Error('the largest and the smallest are on two clusters');
  for (const tenant of [largest, smallest]) await makeAnew(fleet, sample, tenant);
  const two = [name(largest), name(smallest), '--priority', `${name(largest)}=1`];
  const planned = JSON.parse((await cli(['plan', ...two, ...options])).last);
  const confirm = ['--confirm-rows', String(planned.reach.rowsToDelete)];
  const run = await cli(['run', planned.id, '--execute', ...confirm, ...options.slice(4)], (event, at, times) => {
    if (event.type === 'result') times[name(event.tenant)] = at;
  });
  if (run.code !== 0) throw new Error(`two tenants ended with ${run.code}: ${run.last}`);
  return { smallest: run.times[name(smallest)], largest: run.times[name(largest)] };
}

/** Seconds of a tenant that was not run alone: on the line between its neighbours that were. */
function secondsAlone(measured, rows) {
  const known = [...measured].sort((a, b) => a.scores - b.scores);
  const above = known.find((one) => one.scores >= rows) ?? known.at(-1);
  const below = known.findLast((one) => one.scores <= rows) ?? known[0];
  if (above.scores === below.scores) return above.seconds;
  const part = (rows - below.scores) / (above.scores - below.scores);
  return below.seconds + part * (above.seconds - below.seconds);
}

/** Seconds to cut windows and deletes of all tenants, from counts by hour as a survey has them. */
async function planFromSurvey(fleet, { range, seed }) {
  const { config } = await loadConfig({ file: fleet.config });
  const { limits } = config;
  const hoursOf = (count, of) =>
    new Map(
      hourShares(range, of).map(({ startUs, from, to, total }) => [
        startUs / 1000,
        Math.round((count * (to - from)) / total),
      ]),
    );
  const surveys = fleetTenants(shape, seed).map((tenant) => {
    const cards = hoursOf(tenant.counts.kept, tenant.seed);
    return { source: hoursOf(scoresOf(tenant), tenant.seed), targets: [cards, hoursOf(scoresOf(tenant), tenant.seed)] };
  });
  const start = performance.now();
  for (const { source, targets } of surveys) {
    const windows = cutWindows(range, source, limits.windowRows, 'month');
    const largest = windows.map(({ from, to }) =>
      Math.max(...targets.map((hours) => rowsIn(hours, Date.parse(from), Date.parse(to)))),
    );
    cutDeletes(windows, largest, limits.deleteRows, 'month');
  }
  return since(start);
}

/** Runs the command line to its end: its last line, its time and the most memory that it had. */
async function cli(args, see = () => undefined) {
  const start = performance.now();
  const child = spawn(process.execPath, ['dist/cli/main.js', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let kilobytes = 0;
  const look = async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    kilobytes = Math.max(kilobytes, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
  };
  const watch = setInterval(() => void look(), 100);
  const closed = once(child, 'close');
  const times = {};
  let last = '';
  for await (const line of createInterface({ input: child.stdout })) {
    last = line;
    see(JSON.parse(line), since(start), times);
  }
  const [code] = await closed;
  clearInterval(watch);
  const run = { code, last, times, seconds: since(start), megabytes: kilobytes / 1024 };
  // A fleet of which some tenant is not proven says so in its result, and ends with 1.
  if (code === 0 || (code === 1 && last.includes('"fleet-result"'))) return run;
  throw new Error(`refill ${args.join(' ')} ended with ${code}: ${last}`);
}
