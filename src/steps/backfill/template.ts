import { RefillError } from '../../domain/errors.ts';
import type { Audience } from '../../domain/backfill.ts';
import type { ScoredKind, ScorerTemplate } from '../../domain/scorer.ts';
import { formatTenant, type TenantName } from '../../domain/words.ts';
import type { Source } from '../../source/postgres.ts';

/** A template revision, with what a backfill needs beyond what a scorer is told. */
export interface Template extends ScorerTemplate {
  readonly kind: ScoredKind;
  readonly audience: Audience;
  /** Of the leaf criteria that have one. */
  readonly weights: ReadonlyMap<string, number>;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The leaf criteria of a structure of any depth, with their weights. */
function leavesOf(structure: unknown): Map<string, number | null> {
  const leaves = new Map<string, number | null>();
  const visit = (items: unknown): void => {
    for (const item of Array.isArray(items) ? items : []) {
      if (!isRecord(item)) continue;
      const { identifier, weight, chapter } = item;
      if (typeof identifier === 'string' && chapter !== true)
        leaves.set(identifier, typeof weight === 'number' ? weight : null);
      visit(item['items']);
    }
  };
  visit(isRecord(structure) ? structure['items'] : []);
  return leaves;
}

function audienceOf(value: unknown): Audience {
  const names = (list: unknown) => (Array.isArray(list) ? list.filter((n): n is string => typeof n === 'string') : []);
  if (!isRecord(value)) return {};
  return { languages: names(value['languages']), agentUserIds: names(value['agentUserIds']) };
}

/** How many templates a message names. */
const NAMED = 5;

/** The templates that a tenant has an active revision of, for who has mistyped one; nothing where that cannot be read. */
async function others(source: Source, { customer, profile }: TenantName): Promise<string> {
  const found = await source.query<{ id: string }>(
    `SELECT DISTINCT resource_id AS id FROM director.scorecard_templates
      WHERE customer = $1 AND profile = $2 AND status = 1 ORDER BY id LIMIT ${NAMED + 1}`,
    [customer, profile],
  );
  const names = found.slice(0, NAMED).map(({ id }) => id);
  if (names.length === 0) return '';
  return `; active are ${names.join(', ')}${found.length > NAMED ? ', …' : ''}`;
}

/**
 * A template's revision; the newest that is active where none is named.
 *
 * @throws RefillError `TEMPLATE_UNKNOWN`.
 */
export async function readTemplate(
  source: Source,
  tenant: TenantName,
  id: string,
  revision: string | undefined,
): Promise<Template> {
  const [row] = await source.query<{
    revision: string;
    type: number;
    title: string;
    structure: unknown;
    audience: unknown;
  }>(
    `SELECT revision, type, title, structure, audience FROM director.scorecard_templates
     WHERE customer = $1 AND profile = $2 AND resource_id = $3 AND (revision = $4 OR $4 IS NULL AND status = 1)
     ORDER BY created_at DESC, revision DESC LIMIT 1`,
    [tenant.customer, tenant.profile, id, revision ?? null],
  );
  if (!row) {
    const what =
      revision === undefined ? `no active revision of template ${id}` : `no revision ${revision} of template ${id}`;
    const instead = revision === undefined ? await others(source, tenant).catch(() => '') : '';
    throw new RefillError('TEMPLATE_UNKNOWN', `${formatTenant(tenant)} has ${what}${instead}`);
  }
  const leaves = leavesOf(row.structure);
  return {
    id,
    revision: row.revision,
    title: row.title,
    structure: row.structure,
    criteria: [...leaves.keys()],
    kind: row.type === 2 ? 'process-scorecards' : 'conversations',
    audience: audienceOf(row.audience),
    weights: new Map([...leaves].flatMap(([name, weight]) => (weight === null ? [] : [[name, weight] as const]))),
  };
}
