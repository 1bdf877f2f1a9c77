import type { Client } from 'pg';
import type { Range, TenantName } from '../../src/domain/words.ts';

/**
 * The derivation of the scorecards dataset once more: plain, slow, and from the users' description of it alone. It reads
 * rows as objects and decides in JavaScript; nothing of the dataset's SQL is used, so that the two can disagree.
 */

export type TableName = 'scorecard' | 'score' | 'scorecard_score';
/** A target row as ClickHouse prints it in JSON, without its version. */
export type TargetRow = Readonly<Record<string, string | number | null>>;
export interface Derived {
  /** Rows by key. */
  readonly rows: ReadonlyMap<string, TargetRow>;
  readonly excluded: Readonly<Record<string, number>>;
}

interface User {
  readonly user_id: string;
  readonly is_dev_user: boolean;
}
interface Chat {
  readonly conversation_id: string;
  readonly agent_user_id: string | null;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly language: string | null;
}
interface Template {
  readonly resource_id: string;
  readonly revision: string;
  readonly type: number;
  readonly structure: unknown;
}
interface Card {
  readonly resource_id: string;
  readonly template_id: string;
  readonly template_revision: string;
  readonly conversation_id: string;
  readonly agent_user_id: string | null;
  readonly creator_user_id: string | null;
  readonly submitter_user_id: string | null;
  readonly scorecard_type: number | null;
  readonly submission_source: number | null;
  readonly calibrated_scorecard_id: string | null;
  readonly score: number | null;
  readonly comment: string | null;
  readonly created_at: string;
  readonly submitted_at: string | null;
}
interface Score {
  readonly resource_id: string;
  readonly scorecard_id: string;
  readonly criterion_identifier: string;
  readonly numeric_value: number | null;
  readonly text_value: string | null;
  readonly weight: number | null;
  readonly not_applicable: boolean;
  readonly ai_scored: boolean;
  readonly ai_value: number | null;
}

const EPOCH = '1970-01-01 00:00:00.000';
/** `YYYY-MM-DD HH:MM:SS.ffffff`, cut to milliseconds. */
const cut = (time: string | null): string => (time === null ? EPOCH : time.slice(0, 23));
const number = (value: number | null): number | string | null => {
  if (value === null || Number.isFinite(value)) return value === 0 ? 0 : value;
  return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
};

/** Identifiers of the leaf criteria of a template's structure. */
function leavesOf(structure: unknown): Set<string> {
  const leaves = new Set<string>();
  const visit = (parent: unknown) => {
    if (typeof parent !== 'object' || parent === null || !('items' in parent) || !Array.isArray(parent.items)) return;
    for (const item of parent.items as unknown[]) {
      if (typeof item !== 'object' || item === null) continue;
      const chapter = 'chapter' in item && item.chapter === true;
      if (!chapter && 'identifier' in item && typeof item.identifier === 'string') leaves.add(item.identifier);
      visit(item);
    }
  };
  if (!Array.isArray(structure)) visit(structure);
  return leaves;
}

export async function derive(client: Client, tenant: TenantName, range: Range): Promise<Record<TableName, Derived>> {
  const own = async <Row extends object>(table: string, columns: string): Promise<Row[]> =>
    (
      await client.query<Row>(`SELECT ${columns} FROM ${table} WHERE customer = $1 AND profile = $2`, [
        tenant.customer,
        tenant.profile,
      ])
    ).rows;
  const time = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS ${column}`;
  const users = await own<User>('app.users', '*');
  const chats = await own<Chat>(
    'app.chats',
    `conversation_id, agent_user_id, language, ${time('started_at')}, ${time('ended_at')}`,
  );
  const templates = await own<Template>('director.scorecard_templates', '*');
  const cards = await own<Card>(
    'director.scorecards',
    `resource_id, template_id, template_revision, conversation_id, agent_user_id, creator_user_id, submitter_user_id,
     scorecard_type, submission_source, calibrated_scorecard_id, score, comment, ${time('created_at')}, ${time('submitted_at')}`,
  );
  const scores = await own<Score>('director.scores', '*');

  const out = { scorecard: empty(), score: empty(), scorecard_score: empty() };
  for (const card of cards) {
    const at = card.submitted_at ?? card.created_at;
    const bound = (instant: string) => `${instant.replace('T', ' ').replace('Z', '')}000`;
    if (at < bound(range.from) || at >= bound(range.to)) continue;

    const isConversation = card.conversation_id !== '';
    const chat = isConversation ? chats.find((c) => c.conversation_id === card.conversation_id) : undefined;
    const template = templates.find((t) => t.resource_id === card.template_id && t.revision === card.template_revision);
    const own = scores.filter((s) => s.scorecard_id === card.resource_id);
    const leaves = leavesOf(template?.structure);

    const reason = ((): string | null => {
      if (card.scorecard_type === 1 || card.scorecard_type === 2 || card.scorecard_type === 3) return 'appeal';
      if (card.calibrated_scorecard_id !== null && card.calibrated_scorecard_id !== '') return 'calibration';
      if (isConversation && !chat) return 'conversation_not_found';
      if (!template) return 'template_not_found';
      if (own.length === 0) return card.submitted_at === null ? 'unsubmitted_shell' : 'no_scores';
      if (!own.some((s) => leaves.has(s.criterion_identifier))) return 'only_chapters';
      return null;
    })();
    if (reason !== null || !template) {
      count(out.scorecard, reason ?? '', 1);
      count(out.score, reason ?? '', own.length);
      count(out.scorecard_score, reason ?? '', own.length);
      continue;
    }

    const agent = isConversation ? chat?.agent_user_id : card.agent_user_id;
    const common = {
      customer_id: tenant.customer,
      profile_id: tenant.profile,
      scorecard_id: card.resource_id,
      conversation_id: card.conversation_id,
      scorecard_time: cut(at),
      conversation_start_time: cut(chat?.started_at ?? null),
      conversation_end_time: cut(chat?.ended_at ?? chat?.started_at ?? null),
      agent_user_id: agent ?? '',
      template_id: card.template_id,
      template_revision: card.template_revision,
    };
    const about = {
      template_type: template.type,
      language: chat?.language ?? '',
      is_dev_user: users.some((u) => u.user_id === agent && u.is_dev_user) ? 1 : 0,
      submitted_at: cut(card.submitted_at),
    };
    out.scorecard.rows.set(card.resource_id, {
      ...common,
      ...about,
      creator_user_id: card.creator_user_id ?? '',
      submitter_user_id: card.submitter_user_id ?? '',
      submission_source: card.submission_source ?? 0,
      score: number(card.score),
      comment: card.comment ?? '',
      created_at: cut(card.created_at),
    });
    for (const score of own) {
      if (!leaves.has(score.criterion_identifier)) {
        count(out.score, 'chapter', 1);
        count(out.scorecard_score, 'chapter', 1);
        continue;
      }
      const value = {
        ...common,
        score_id: score.resource_id,
        criterion_id: score.criterion_identifier,
        numeric_value: number(score.numeric_value),
        text_value: score.text_value ?? '',
        weight: number(score.weight ?? 1),
        not_applicable: score.not_applicable ? 1 : 0,
      };
      out.score.rows.set(score.resource_id, {
        ...value,
        ai_scored: score.ai_scored ? 1 : 0,
        ai_value: number(score.ai_value),
      });
      out.scorecard_score.rows.set(score.resource_id, {
        ...value,
        ...about,
        scorecard_score: number(card.score),
      });
    }
  }
  return out;
}

interface Growing {
  readonly rows: Map<string, TargetRow>;
  readonly excluded: Record<string, number>;
}
const empty = (): Growing => ({ rows: new Map(), excluded: {} });
function count({ excluded }: Growing, reason: string, rows: number): void {
  if (rows > 0) excluded[reason] = (excluded[reason] ?? 0) + rows;
}
