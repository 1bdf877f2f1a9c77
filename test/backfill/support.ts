import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ScorerConfig } from '../../src/config/config.ts';
import { defineScorer } from '../../src/config/scorer.ts';
import { createRefill } from '../../src/create-refill.ts';
import type { BackfillEvent, BackfillRequest, BackfillResult } from '../../src/domain/backfill.ts';
import type { Refill } from '../../src/refill.ts';
import type { TestTenant } from '../support/tenant.ts';

/** The template of its own that backfills are tested with: nobody has a scorecard of it. */
export const TEMPLATE = 'quality';
export const RANGE = { from: '2026-01-29T00:00:00.000Z', to: '2026-01-31T00:00:00.000Z' };
/** Conversations that a backfill judges unless it is asked for those of dev users too. */
export const NOT_DEV = `agent_user_id IS DISTINCT FROM 'agent-3'`;

/** Adds a template of two revisions, of which the older is not active. */
export async function addTemplate(t: TestTenant, audience: object = {}, type = 1): Promise<void> {
  for (const [revision, status] of [
    ['r1', 2],
    ['r2', 1],
  ] as const)
    await t.pg.query(
      `INSERT INTO director.scorecard_templates VALUES ($1, $2, $3, $4, $5, $6, 'Quality', $7, $8, '2026-01-01Z')`,
      [
        t.name.customer,
        t.name.profile,
        TEMPLATE,
        revision,
        type,
        status,
        '{"items":[{"identifier":"c1","chapter":true,"items":[{"identifier":"c1.q1","weight":2}]},{"identifier":"q9"}]}',
        JSON.stringify(audience),
      ],
    );
}

/** What the tests' scorer says of an item: by its id, so that the tests know it as well. */
export const valueOf = (id: string): number => Number(/\d+$/u.exec(id)?.[0] ?? 0) % 5;

export const answerFor = (id: string, more = 0) => ({
  id,
  score: valueOf(id) * 20 + more,
  scores: [
    { criterion: 'c1.q1', value: valueOf(id) + more, text: `says ${id}` },
    { criterion: 'q9', value: null, notApplicable: true },
  ],
});

/** A scorer in this process, with a small batch, so that a backfill has several chunks. */
export const ownScorer = (more = 0) =>
  defineScorer({ batch: 5, score: ({ items }) => ({ results: items.map(({ id }) => answerFor(id, more)) }) });

/** Refill with scorers; the test closes it. */
export function withScorers(t: TestTenant, scorers: Readonly<Record<string, ScorerConfig>>): Refill {
  return createRefill({ ...t.config, scorers });
}

export const requestFor = (t: TestTenant, more: Partial<BackfillRequest> = {}): BackfillRequest => ({
  tenant: t.name,
  range: RANGE,
  template: TEMPLATE,
  scorer: 'quality',
  ...more,
});

export interface EndedBackfill {
  readonly events: readonly BackfillEvent[];
  readonly result: BackfillResult;
}

export async function endedBackfill(events: AsyncIterable<BackfillEvent>): Promise<EndedBackfill> {
  const all: BackfillEvent[] = [];
  for await (const event of events) all.push(event);
  const result = all.at(-1);
  if (result?.type !== 'backfill-result') throw new Error('the last event is no result');
  return { events: all, result };
}

/** Plans and executes. */
export async function backfilled(refill: Refill, request: BackfillRequest): Promise<EndedBackfill> {
  const { id } = await refill.planBackfill(request);
  return endedBackfill(refill.backfill(id));
}

/** Every row of both tables of the template, but for `updated_at`, which is when it was written. */
export async function rowsOf(t: TestTenant) {
  const { rows: cards } = await t.pg.query<Record<string, unknown>>(
    `SELECT to_jsonb(c) - 'updated_at' AS row FROM director.scorecards c WHERE template_id = $1 ORDER BY resource_id`,
    [TEMPLATE],
  );
  const { rows: scores } = await t.pg.query<Record<string, unknown>>(
    `SELECT to_jsonb(s) AS row FROM director.scores s
     JOIN director.scorecards c ON c.resource_id = s.scorecard_id AND c.template_id = $1 ORDER BY s.resource_id`,
    [TEMPLATE],
  );
  return { cards: cards.map((r) => r['row']), scores: scores.map((r) => r['row']) };
}

/** Sum over what a backfill must not touch: every row of both tables that is not of its template. */
export async function others(t: TestTenant): Promise<unknown> {
  const { rows } = await t.pg.query(
    `SELECT (SELECT md5(string_agg(c::text, '' ORDER BY resource_id)) FROM director.scorecards c WHERE template_id <> $1) AS cards,
       (SELECT md5(string_agg(s::text, '' ORDER BY resource_id)) FROM director.scores s WHERE NOT EXISTS (
          SELECT FROM director.scorecards c WHERE c.resource_id = s.scorecard_id AND c.template_id = $1)) AS scores`,
    [TEMPLATE],
  );
  return rows[0];
}

/** The conversations of the range, by an SQL of its own. */
export async function conversations(t: TestTenant, where = 'true'): Promise<readonly string[]> {
  const { rows } = await t.pg.query<{ id: string }>(
    `SELECT conversation_id AS id FROM app.chats WHERE started_at >= $1 AND started_at < $2 AND ${where} ORDER BY 1`,
    [RANGE.from, RANGE.to],
  );
  expect(rows.length).toBeGreaterThan(5);
  return rows.map(({ id }) => id);
}

/** A configuration file of the tenant with a scorer behind HTTP, for the command line. */
export async function configFile(t: TestTenant, url: string, key?: string): Promise<string> {
  const { scorers: _, ...config } = t.config;
  const file = join(await mkdtemp(join(tmpdir(), 'refill-backfill-')), 'refill.config.yaml');
  const scorer = { url, batch: 5, ...(key === undefined ? {} : { key }) };
  await writeFile(file, JSON.stringify({ ...config, datasets: ['scorecards'], scorers: { quality: scorer } }));
  return file;
}
