import { expect, test } from 'vitest';
import { compileTable, countStatement, readStatement } from '../../src/dataset/compile.ts';
import { scorecards } from '../../src/dataset/scorecards.ts';
import type { Range } from '../../src/domain/words.ts';
import { withSource } from '../../src/source/postgres.ts';
import { openTarget } from '../../src/target/clickhouse.ts';
import { describeTable } from '../../src/target/tables.ts';
import { discoverTopology } from '../../src/target/topology.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

/** A year of cards of which one in a thousand was ever submitted, as the largest tenant has them. */
const CARDS = 200_000;
const FILL = [
  `INSERT INTO director.scorecard_templates VALUES ($1, $2, 'template', 'r1', 1, 1, 'Template',
     '{"items":[{"identifier":"q1"}]}', '{}', '2024-01-01Z')`,
  `INSERT INTO director.scorecards (customer, profile, resource_id, template_id, template_revision, conversation_id,
     agent_user_id, created_at, updated_at, submitted_at)
   SELECT $1, $2, 'card-' || n, 'template', 'r1', '', 'agent', at, at,
     CASE WHEN n % 1000 = 0 THEN at + interval '1 hour' END
   FROM generate_series(1, ${CARDS}) n, LATERAL (SELECT timestamptz '2025-01-01Z' + n * (interval '365 days' / ${CARDS}) AS at) a`,
  `INSERT INTO director.scores (customer, profile, resource_id, scorecard_id, criterion_identifier, numeric_value)
   SELECT $1, $2, 'score-' || n, 'card-' || n, 'q1', 1 FROM generate_series(1000, ${CARDS}, 1000) n`,
] as const;

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows'?: number;
  readonly Plans?: readonly Node[];
}

const nodes = (plan: Node): readonly Node[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

/** What Postgres does for a statement, in a session as ours are. */
async function explained(t: TestTenant, statement: string): Promise<readonly Node[]> {
  const { host, port, user, password, database } = t.pg;
  const address = {
    host,
    port,
    user: user ?? '',
    password: password ?? '',
    database: database ?? '',
    tls: 'disable',
  } as const;
  const rows = await withSource(address, (source) =>
    source.query<{ 'QUERY PLAN': readonly { Plan: Node }[] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${statement}`),
  );
  const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
  if (!plan) throw new Error('no plan');
  return nodes(plan);
}

/** The scores of such a tenant are few: reading them whole is right. */
const BIG = 'scorecards';
const scanned = (plan: readonly Node[]) =>
  plan.filter((n) => n['Node Type'] === 'Seq Scan' && n['Relation Name'] === BIG).map((n) => n['Relation Name']);

test('a tenant of shells: no window scans the scorecards, and its cost follows the rows since it began', async () => {
  const t = await createTenant();
  for (const sql of FILL) await t.pg.query(sql, [t.name.customer, t.name.profile]);
  await t.pg.query('VACUUM ANALYZE');
  const [url = ''] = t.config.clusters['test']?.clickhouse.urls ?? [];
  const opened = openTarget({ urls: [url], user: 'default', password: undefined, compress: 'auto' });
  try {
    const topology = await discoverTopology(opened.any, '');
    const day = (from: string, to: string): Range => ({ from: `${from}T00:00:00.000Z`, to: `${to}T00:00:00.000Z` });
    const ranges = [day('2025-12-20', '2025-12-25'), day('2025-10-01', '2025-10-11'), day('2025-07-01', '2025-07-04')];
    for (const definition of scorecards.tables) {
      const described = await describeTable(opened.any, topology, t.database, definition.name);
      if (!described) throw new Error('no table');
      const table = compileTable(definition, described.columns);
      if ('problems' in table) throw new Error(JSON.stringify(table.problems));
      for (const range of ranges)
        for (const statement of [
          readStatement(table, { tenant: t.name, range }),
          countStatement(table, { tenant: t.name, range }),
        ])
          expect(scanned(await explained(t, statement)), `${definition.name} ${range.from}`).toEqual([]);
    }
    // The check can fail: the condition that the dataset does without reads the whole table.
    const naive = `SELECT count(*) FROM director.scorecards WHERE customer = '${t.name.customer}' AND profile = '${t.name.profile}'
      AND (submitted_at >= '2025-12-20Z' AND submitted_at < '2025-12-25Z' OR created_at >= '2025-12-20Z' AND created_at < '2025-12-25Z')`;
    expect(scanned(await explained(t, naive))).toEqual(['scorecards']);
  } finally {
    await opened.close();
  }
});
