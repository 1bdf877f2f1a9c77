import { expect, test, vi } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';
import { refill as program } from '../cli/built.ts';
import { configFile } from '../faults/program.ts';
import { thrown } from '../support/cards.ts';
import { createFleet, fleetEnded, type TestFleet } from './support.ts';

// Several tenants, and programs that are started several times.
vi.setConfig({ testTimeout: 240_000 });

const DAYS = ['--from', '2026-01-29', '--to', '2026-02-04'];

/** The last line of a command: whatever a test asks of it. */
interface Json extends Record<string, unknown> {
  readonly reach?: { readonly rowsToDelete: number };
  readonly members?: readonly { readonly customer: string; readonly profile: string }[];
}

/** The last line of stdout as JSON, with the exit status. */
async function ask(config: RefillConfig, ...words: readonly string[]): Promise<{ status: number | null; last: Json }> {
  const { status, stdout, stderr } = await program([...words, '--json', '--config', await configFile(config)]);
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  if (line === '') throw new Error(stderr);
  const last: Json = JSON.parse(line);
  return { status, last };
}

/** The same with a cluster whose servers are not there. */
function withDeadCluster({ config }: TestFleet): RefillConfig {
  const { east } = config.clusters;
  if (!east) throw new Error('no cluster');
  return {
    ...config,
    clusters: {
      east,
      dead: {
        ...east,
        postgres: { ...east.postgres, port: 1 },
        clickhouse: { ...east.clickhouse, urls: ['http://127.0.0.1:1'] },
      },
    },
  };
}

test('a cluster that cannot be reached is unknown: the others are shown, planned and run, and the exit status is 1', async () => {
  const fleet = await createFleet({ cards: [20, 30] });
  const config = withDeadCluster(fleet);
  const survey = await ask(config, 'survey');
  expect(survey).toMatchObject({
    status: 1,
    last: {
      tenants: fleet.tenants.map((t) => ({ ...t.name, cluster: 'east' })),
      unknown: [{ cluster: 'dead', error: { action: 'retry' } }],
    },
  });
  const text = await program(['survey', '--all', '--config', await configFile(config)]);
  expect(text.stdout).toMatch(/Cluster dead\s+unknown: (?:PG|CH)_UNREACHABLE/u);
  expect(text.stdout).toContain('2 tenants');

  const plan = await ask(config, 'plan', '--all', ...DAYS);
  expect(plan).toMatchObject({
    status: 0,
    last: { reach: { tenants: 2, clusters: 1 }, unknown: [{ cluster: 'dead' }] },
  });
  const run = await ask(config, 'run', String(plan.last['fleet']), '--execute');
  expect(run).toMatchObject({
    status: 1,
    last: { type: 'fleet-result', state: 'failed', tenants: { proven: 2, failed: 0 }, unknown: [{ cluster: 'dead' }] },
  });
  // Of a cluster that nobody else hides nothing is known: that is a failure.
  const dead = config.clusters['dead'];
  if (!dead) throw new Error('no cluster');
  expect((await ask({ ...config, clusters: { dead } }, 'survey')).status).toBe(4);
});

test('more rows than the limit need their number, of a fleet and of one tenant', async () => {
  const fleet = await createFleet({ cards: [20, 30], limits: { blastRows: 10 } });
  const [name = ''] = fleet.names;
  const plan = await ask(fleet.config, 'plan', '--all', ...DAYS);
  const id = String(plan.last['fleet']);
  const rows = plan.last.reach?.rowsToDelete ?? 0;
  expect(rows).toBeGreaterThan(10);
  const refused = await ask(fleet.config, 'run', id, '--execute');
  expect(refused).toMatchObject({ status: 3, last: { code: 'ROWS_NOT_CONFIRMED', details: { rowsToDelete: rows } } });
  expect(refused.last['hint']).toContain(`refill run ${id} --execute --confirm-rows ${rows}`);
  expect((await ask(fleet.config, 'run', id, '--execute', '--confirm-rows', String(rows + 1))).status).toBe(3);
  // Nothing was begun by all that.
  expect(await fleet.refill.runs()).toEqual([]);

  const single = await ask(fleet.config, 'run', name, ...DAYS, '--execute');
  expect(single).toMatchObject({ status: 3, last: { code: 'ROWS_NOT_CONFIRMED' } });
  const [, command = ''] = /: refill (run p-\S+ --execute --confirm-rows \d+)/u.exec(String(single.last['hint'])) ?? [];
  expect(await ask(fleet.config, ...command.split(' '))).toMatchObject({ status: 0, last: { state: 'succeeded' } });
  const library = await thrown(() => fleetEnded(fleet.refill.runFleet(id)));
  expect(library).toMatchObject({ code: 'ROWS_NOT_CONFIRMED' });
  const run = await ask(fleet.config, 'run', id, '--execute', '--confirm-rows', String(rows));
  // The single run has changed the counts of one tenant since the plan: that one says so.
  expect(run.last).toMatchObject({ type: 'fleet-result', fleet: id });
  expect(await fleet.refill.fleetStatus(id)).toMatchObject({ fleet: { id } });
});

test('the executor that is asked for does a fleet, and stands in the command that is printed', async () => {
  const { config } = await createFleet({ cards: [20] });
  const planned = await ask(config, 'run', '--all', ...DAYS, '--executor', 'temporal');
  expect(planned).toMatchObject({
    status: 3,
    last: { code: 'NOT_CONFIRMED', hint: expect.stringContaining('--execute --executor temporal') },
  });
  // There is no server of it: what runs all the same runs elsewhere than it was asked to.
  const run = await ask(config, 'run', '--all', ...DAYS, '--execute', '--executor', 'temporal');
  expect(run).toMatchObject({
    status: 2,
    last: { code: 'CONFIG_INVALID', message: expect.stringContaining('no Temporal server') },
  });
});

test('two tenants with one database are refused, both named, before anything is planned', async () => {
  const fleet = await createFleet({ cards: [20, 0] });
  const { east } = fleet.config.clusters;
  const [first, second] = fleet.tenants;
  if (!east || !first || !second) throw new Error('no tenants');
  const twin = { ...second.name, sourceDatabase: second.database, targetDatabase: first.database };
  const config = {
    ...fleet.config,
    clusters: { east: { ...east, tenants: [{ ...first.name, database: first.database }, twin] } },
  };
  const refused = await ask(config, 'plan', '--all', ...DAYS);
  expect(refused).toMatchObject({ status: 3, last: { code: 'TENANTS_COLLIDE' } });
  for (const name of fleet.names) expect(String(refused.last['message'])).toContain(name);
  expect(await (await fleet.refill.ledger()).plans(10)).toEqual([]);
});

test('tenants, exclusions and priorities; a name that fits nobody is an error', async () => {
  const fleet = await createFleet({ cards: [20, 30, 40] });
  const [a = '', b = '', c = ''] = fleet.names;
  const members = ({ last }: { readonly last: Json }) => (last.members ?? []).map((m) => `${m.customer}/${m.profile}`);
  expect(members(await ask(fleet.config, 'plan', '--all', ...DAYS))).toEqual([a, b, c]);
  expect(members(await ask(fleet.config, 'plan', c, a, ...DAYS))).toEqual([a, c]);
  expect(
    members(await ask(fleet.config, 'plan', '--cluster', 'east', '--exclude', a, '--priority', `${c}=10`, ...DAYS)),
  ).toEqual([c, b]);
  for (const words of [
    ['--exclude', 'no/body'],
    ['--priority', 'no/body=1'],
  ]) {
    expect(await ask(fleet.config, 'plan', '--all', ...words, ...DAYS)).toMatchObject({
      status: 2,
      last: { code: 'TENANT_UNKNOWN' },
    });
  }
  expect(await ask(fleet.config, 'plan', a, 'no/body', ...DAYS)).toMatchObject({ status: 2 });
  // Without --execute the fleet is shown, and nothing done.
  expect(await ask(fleet.config, 'run', '--all', ...DAYS)).toMatchObject({
    status: 3,
    last: { code: 'NOT_CONFIRMED' },
  });
  expect(await fleet.refill.runs()).toEqual([]);
});

test('run --all plans and executes; status, report and runs know the fleet', async () => {
  const fleet = await createFleet({ cards: [20, 30], west: 1 });
  const config = await configFile(fleet.config);
  const { status, stdout, stderr } = await program(['run', '--all', ...DAYS, '--execute', '--config', config]);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(stdout).toContain('✓ Succeeded: every tenant is proven');
  expect(stdout).toMatch(/cluster\s+tenants\s+proven\s+differences\s+failed\s+left\s+rows before/u);
  const [, id = ''] = /fleet\s+(f-\w+)/u.exec(stdout) ?? [];
  const told = await ask(fleet.config, 'status', id);
  expect(told).toMatchObject({
    status: 0,
    last: {
      fleet: id,
      state: 'succeeded',
      clusters: [
        { cluster: 'east', proven: 1 },
        { cluster: 'west', proven: 1 },
      ],
    },
  });
  const report = await program(['report', id, '--config', config]);
  expect(report.stdout).toContain('## Results by cluster');
  for (const name of fleet.names) expect(report.stdout).toContain(name);
  const html = await program(['report', id, '--format', 'html', '--config', config]);
  expect(html.stdout).toContain('<h2>Results by cluster</h2>');
  expect((await ask(fleet.config, 'report', id)).last).toMatchObject({ fleet: { id } });
  expect((await ask(fleet.config, 'runs', '--fleets')).last).toMatchObject({ fleets: [{ fleet: id }] });
  expect(await ask(fleet.config, 'status', 'f-nobody')).toMatchObject({ status: 2, last: { code: 'FLEET_UNKNOWN' } });
});
