import type { BackfillCursor, BackfillPlan, CardCounts } from '../../domain/backfill.ts';
import type { ScorerItem } from '../../domain/scorer.ts';
import type { Source } from '../../source/postgres.ts';

/** What decides which items a backfill has. */
export type Selection = Pick<BackfillPlan, 'tenant' | 'range' | 'kind' | 'audiences' | 'includeDevUsers'> & {
  readonly template: Pick<BackfillPlan['template'], 'id' | 'revision'>;
};

/** $1 and $2 are the tenant, $3 and $4 the range, $5 and $6 the template revision: all of them, in every statement. */
const values = ({ tenant, range, template }: Selection, from = range.from): string[] => [
  tenant.customer,
  tenant.profile,
  from,
  range.to,
  template.id,
  template.revision,
];

/** An original scorecard of the template revision: no appeal, no calibration copy. */
const ORIGINAL = `c.customer = $1 AND c.profile = $2 AND c.template_id = $5 AND c.template_revision = $6
  AND coalesce(c.scorecard_type, 0) = 0 AND coalesce(c.calibrated_scorecard_id, '') = ''`;

/** Its time may be that of its submission or of its creation, each found by its own index, as in the dataset. */
const processCards = (when: string) => `SELECT c.resource_id AS id, c.agent_user_id,
    coalesce(c.submitted_at, c.created_at) AS at, NULL::timestamptz AS ended_at, NULL::text AS language, '{}'::jsonb AS metadata
  FROM director.scorecards c WHERE ${ORIGINAL} AND c.conversation_id = '' AND ${when}`;

const CANDIDATES: Readonly<Record<Selection['kind'], string>> = {
  conversations: `SELECT ch.conversation_id AS id, ch.agent_user_id, ch.started_at AS at, ch.ended_at, ch.language, ch.metadata
    FROM app.chats ch
    WHERE ch.customer = $1 AND ch.profile = $2 AND ch.started_at >= $3 AND ch.started_at < $4
      AND ch.conversation_id <> '' AND $5::text IS NOT NULL AND $6::text IS NOT NULL`,
  'process-scorecards': `${processCards('c.submitted_at >= $3 AND c.submitted_at < $4')}
    UNION ALL
    ${processCards('c.submitted_at IS NULL AND c.updated_at >= $3 AND c.created_at >= $3 AND c.created_at < $4')}`,
};

/** The items of a range with the reason why one is left out, '' where it is not. $7 are the audiences, $8 says whether dev users are in. */
const itemsSql = (kind: Selection['kind']): string => `
  SELECT i.*, CASE
      WHEN EXISTS (
        SELECT 1 FROM jsonb_to_recordset($7::jsonb) AS a (languages text[], agents text[])
        WHERE NOT (coalesce(i.language = ANY (a.languages), a.languages IS NULL)
               AND coalesce(i.agent_user_id = ANY (a.agents), a.agents IS NULL))) THEN 'audience'
      WHEN u.is_dev_user AND NOT $8::boolean THEN 'dev_user'
      ELSE '' END AS reason
  FROM (${CANDIDATES[kind]}) i
  LEFT JOIN app.users u ON u.customer = $1 AND u.profile = $2 AND u.user_id = i.agent_user_id`;

/** $7 and $8. A list that is absent or empty means everybody; a process scorecard has no language that could fit. */
function conditions({ kind, audiences, includeDevUsers }: Selection): readonly unknown[] {
  const list = (names: readonly string[] | undefined) => (names === undefined || names.length === 0 ? null : names);
  const rows = audiences.map(({ languages, agentUserIds }) => ({
    languages: kind === 'conversations' ? list(languages) : null,
    agents: list(agentUserIds),
  }));
  return [JSON.stringify(rows), includeDevUsers];
}

interface ItemRow extends Record<string, unknown> {
  id: string;
  agent_user_id: string | null;
  at: Date;
  at_text: string;
  ended_at: Date | null;
  language: string | null;
  metadata: Record<string, unknown> | null;
}

/** An item with its place in the order of all. */
export interface FoundItem {
  readonly item: ScorerItem;
  readonly cursor: BackfillCursor;
}

/** The next items after a cursor, by their time and id. */
export async function findItems(
  source: Source,
  selection: Selection,
  after: BackfillCursor | null,
  limit: number,
): Promise<readonly FoundItem[]> {
  const rows = await source.query<ItemRow>(
    `SELECT *, at::text AS at_text FROM (${itemsSql(selection.kind)}) i
     WHERE reason = '' AND ($9::timestamptz IS NULL OR (at, id) > ($9, $10)) ORDER BY at, id LIMIT $11`,
    [...values(selection, after?.at), ...conditions(selection), after?.at ?? null, after?.id ?? null, limit],
  );
  return rows.map((row) => ({
    cursor: { at: row.at_text, id: row.id },
    item: {
      id: row.id,
      agentUserId: row.agent_user_id,
      startedAt: row.at.toISOString(),
      endedAt: row.ended_at?.toISOString() ?? null,
      language: row.language,
      metadata: row.metadata ?? {},
    },
  }));
}

/** How many items there are, and how many are left out for which reason. */
export async function countItems(
  source: Source,
  selection: Selection,
): Promise<Pick<BackfillPlan, 'items' | 'leftOut'>> {
  const rows = await source.query<{ reason: string; items: string }>(
    `SELECT reason, count(*) AS items FROM (${itemsSql(selection.kind)}) i GROUP BY 1`,
    [...values(selection), ...conditions(selection)],
  );
  const of = (reason: string) => Number(rows.find((row) => row.reason === reason)?.items ?? 0);
  return { items: of(''), leftOut: { audience: of('audience'), dev_user: of('dev_user') } };
}

/** Scorecards and scores of the template revision that the items have. */
export async function countCards(source: Source, selection: Selection): Promise<CardCounts> {
  const joined = selection.kind === 'conversations' ? 'c.conversation_id = i.id' : 'c.resource_id = i.id';
  const [row] = await source.query<{ cards: string; scores: string }>(
    `SELECT count(*) AS cards, coalesce(sum(s.scores), 0) AS scores
     FROM (SELECT id FROM (${itemsSql(selection.kind)}) i WHERE reason = '') i
     JOIN director.scorecards c ON ${ORIGINAL} AND ${joined}
     CROSS JOIN LATERAL (SELECT count(*) AS scores FROM director.scores s
       WHERE s.customer = $1 AND s.profile = $2 AND s.scorecard_id = c.resource_id) s`,
    [...values(selection), ...conditions(selection)],
  );
  return { scorecards: Number(row?.cards ?? 0), scores: Number(row?.scores ?? 0) };
}
