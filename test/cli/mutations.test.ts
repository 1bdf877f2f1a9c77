import { expect, test } from 'vitest';
import { deleteStatement } from '../../src/target/mutations.ts';
import { configFile } from '../faults/program.ts';
import { fillCards } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { refill } from './built.ts';

interface Listed {
  readonly database: string;
  readonly table: string;
  readonly id: string;
  readonly run: string | null;
}

const TABLES = ['scorecard', 'score'] as const;
const FOREIGN = 'somebody else';

/** Two runs of a tenant, each with an unfinished mutation on every table, and one of somebody else on each. */
async function stuck(): Promise<{ t: TestTenant; runs: [string, string] }> {
  const t = await createTenant();
  await fillCards(t, { cards: 40 });
  const ledger = await t.refill.ledger();
  const created: string[] = [];
  for (const [from, to] of [
    ['2026-01-28', '2026-01-30'],
    ['2026-02-01', '2026-02-03'],
  ]) {
    const plan = await t.refill.plan({ tenant: t.name, range: { from: `${from}T00:00:00Z`, to: `${to}T00:00:00Z` } });
    created.push((await ledger.createRun(plan, { user: 'tester', host: 'test', pid: 1 })).id);
  }
  const [first = '', second = ''] = created;
  for (const table of TABLES) {
    await t.command(`SYSTEM STOP MERGES ${table}`);
    const target = { database: t.database, name: table };
    const condition = `${table}_id = 'none'`;
    for (const nonce of [first, second].map((run) => `refill ${run} delete 1 ${table} v-${table}`))
      await t.command(`${deleteStatement(target, { condition, nonce, kind: 'rewrite' })} SETTINGS mutations_sync = 0`);
    await t.command(
      `ALTER TABLE ${table} DELETE WHERE ${condition} AND '${FOREIGN}' != '' SETTINGS mutations_sync = 0`,
    );
  }
  return { t, runs: [first, second] };
}

/** What the server still has, as `table run`; a mutation that is taken back is gone, or marked as killed. */
async function unfinished(t: TestTenant): Promise<readonly string[]> {
  const rows = await t.select<{ table: string; command: string }>(
    `SELECT table, command FROM system.mutations WHERE database = currentDatabase() AND NOT is_done AND NOT is_killed`,
  );
  return rows.map(({ table, command }) => `${table} ${/refill (r-\w+) /u.exec(command)?.[1] ?? FOREIGN}`).sort();
}

/** Mutations of a command's answer, as `table run`. The server is shared with tests of other files. */
function listed({ database }: TestTenant, stdout: string, field: 'mutations' | 'killed'): readonly string[] {
  const answer: Readonly<Record<string, readonly Listed[]>> = JSON.parse(stdout);
  return (answer[field] ?? [])
    .filter((one) => one.database === database)
    .map(({ table, run }) => `${table} ${run ?? FOREIGN}`)
    .sort();
}

const of = (...whose: readonly string[]) => whose.flatMap((one) => TABLES.map((table) => `${table} ${one}`)).sort();

test('mutations lists all that are not done; with a run and --execute it takes back those of the run, and no other', async () => {
  const { t, runs } = await stuck();
  const [first, second] = runs;
  const config = await configFile(t.config);
  const mutations = (...args: readonly string[]) => refill(['mutations', ...args, '--config', config]);
  const all = of(first, second, FOREIGN);
  expect(await unfinished(t)).toEqual(all);

  const listing = await mutations('--json');
  expect([listing.status, listing.stderr, listed(t, listing.stdout, 'mutations')]).toEqual([0, '', all]);
  const ofFirst = await mutations(first, '--json');
  expect([ofFirst.status, listed(t, ofFirst.stdout, 'mutations')]).toEqual([0, of(first)]);
  expect((await mutations(first)).stdout).toContain(first);
  // Looking takes nothing back.
  expect(await unfinished(t)).toEqual(all);

  const killed = await mutations(first, '--execute', '--json');
  expect([killed.status, killed.stderr, listed(t, killed.stdout, 'killed')]).toEqual([0, '', of(first)]);
  expect(await unfinished(t)).toEqual(of(second, FOREIGN));

  // Nothing of it is left; and a run that the ledger does not know is an error, not a run without mutations.
  const again = await mutations(first, '--execute', '--json');
  expect([again.status, listed(t, again.stdout, 'killed')]).toEqual([0, []]);
  const unknown = await mutations('r-0000000000', '--execute', '--json');
  expect([unknown.status, JSON.parse(unknown.stdout)]).toMatchObject([2, { code: 'RUN_UNKNOWN' }]);
  const unnamed = await mutations('--execute', '--json');
  expect([unnamed.status, JSON.parse(unnamed.stdout)]).toMatchObject([2, { code: 'USAGE' }]);
  expect(await unfinished(t)).toEqual(of(second, FOREIGN));
  const audit = await (await t.refill.ledger()).auditEntries({ subject: first, limit: 100 });
  expect(audit.filter(({ action }) => action === 'kill-mutations').map(({ details }) => details)).toEqual([
    { killed: 0 },
    { killed: 2 },
  ]);
});
