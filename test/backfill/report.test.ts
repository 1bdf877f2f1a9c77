import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { refill as command } from '../cli/built.ts';
import { startScorer } from '../scorers/server.ts';
import { fillCards } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';
import {
  addTemplate,
  answerFor,
  configFile,
  conversations,
  endedBackfill,
  requestFor,
  TEMPLATE,
  withScorers,
} from './support.ts';

/** A tenant whose scorer declines a conversation, and whose template's title is an attack. */
async function prepared(reindex = true) {
  const t = await createTenant();
  await fillCards(t);
  await addTemplate(t);
  await t.pg.query(`UPDATE director.scorecard_templates SET title = '<b>|x' WHERE resource_id = $1`, [TEMPLATE]);
  const wanted = await conversations(t, `agent_user_id <> 'agent-3'`);
  const [declined = ''] = wanted;
  const { url } = await startScorer(({ items }) => ({
    results: items.map(({ id }) => (id === declined ? { id, error: 'TOO_SHORT' } : answerFor(id))),
  }));
  const refill = withScorers(t, { quality: { url, batch: 5, timeoutSeconds: 10, answerMegabytes: 1 } });
  onTestFinished(() => refill.close());
  const config = await configFile(t, url);
  const plan = await refill.planBackfill(requestFor(t, { reindex }));
  const report = async (...more: readonly string[]) => {
    const { stdout, stderr, status } = await command(['report', plan.id, ...more, '--config', config]);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    return stdout;
  };
  return { t, refill, plan, report, wanted, declined };
}

test('its report says what was judged, written and left, by which scorer and template, and the proof of its run', async () => {
  const { t, refill, plan, report, wanted, declined } = await prepared();
  const before = await report();
  expect(before).toMatch(/^# Backfill of .*: planned$/mu);
  expect(before).toContain('| scorecards | 0 | 0 | 0 | 0 | — |');
  expect(before).toContain('| re-indexed | not begun |');

  const { result } = await endedBackfill(refill.backfill(plan.id));
  expect(result).toMatchObject({ state: 'incomplete', tally: { unjudged: 1 } });
  const page = await report();
  const written = wanted.length - 1;
  for (const line of [
    `| found when planned | ${wanted.length} conversations |`,
    `| judged | ${written} |`,
    '| not judged | 1 |',
    '| scorer | quality |',
    '| audience | everybody |',
    `| scorecards | 0 | ${written} | 0 | 0 | ${written} |`,
    `| scores | 0 | ${2 * written} | 0 | 0 of people | ${2 * written} |`,
    `| re-indexed | run ${result.run}: succeeded |`,
  ])
    expect(page).toContain(line);
  expect(page).toContain(String.raw`&lt;b&gt;\|x (quality), revision r2`);
  expect(page).toMatch(new RegExp(String.raw`^\| ${declined} \| SCORER_DECLINED \|.*TOO_SHORT`, 'mu'));
  // What ClickHouse has, as it was proven.
  const { proofs } = await refill.status(result.run ?? '');
  expect(proofs.length).toBeGreaterThan(0);
  for (const { targetSum } of proofs) expect(page).toContain(targetSum);
  expect(page).toMatch(/^\| scorecard \| .* \| 0 \| 0 \| 0 \| 0 \| 1 of 1 \|$/mu);
  // Each transaction that Postgres knows of, and no other.
  const { rows } = await t.pg.query<{ transaction: string }>(
    'SELECT DISTINCT xmin::text AS transaction FROM director.scorecards WHERE template_id = $1',
    [TEMPLATE],
  );
  const told = [...page.matchAll(/transaction (\d+): /gu)].map(([, transaction = '']) => transaction);
  expect(told.sort()).toEqual(rows.map(({ transaction }) => transaction).sort());

  const json: unknown = JSON.parse(await report('--json'));
  expect(json).toMatchObject({
    backfill: { id: plan.id, state: 'incomplete', tally: { judged: written, unjudged: 1 } },
    unjudged: [{ id: declined, code: 'SCORER_DECLINED' }],
    failures: [],
    reindex: { run: { id: result.run, state: 'succeeded' }, tables: expect.any(Array), mutations: expect.any(Array) },
  });

  const dir = await mkdtemp(join(tmpdir(), 'refill-report-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'backfill.html');
  await report('--output', file);
  const html = await readFile(file, 'utf8');
  expect(html).toContain(`backfill ${plan.id}`);
  expect(html).toContain('&lt;b&gt;|x');
  expect(html).not.toContain('<b>|x');
});

test('one that was not to be re-indexed says so, and claims no proof', async () => {
  const { refill, plan, report } = await prepared(false);
  await endedBackfill(refill.backfill(plan.id));
  const page = await report();
  expect(page).toContain('| re-indexed | no: it was not asked for |');
  expect(page).toMatch(/^## Proofs\n\nNone\.$/mu);
  expect(JSON.parse(await report('--json'))).toMatchObject({ reindex: null });
});
