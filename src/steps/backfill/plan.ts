import { createHash } from 'node:crypto';
import type { BackfillPlan, BackfillRequest } from '../../domain/backfill.ts';
import { RefillError } from '../../domain/errors.ts';
import type { Limits } from '../../domain/limits.ts';
import type { Tenant } from '../../domain/words.ts';
import { type Source, type SourceAddress, withSnapshot, withSource } from '../../source/postgres.ts';
import { sourceIdentity } from '../preflight.ts';
import { countCards, countItems } from './items.ts';
import { readTemplate, type Template } from './template.ts';

export interface BackfillPlanOptions {
  readonly id: string;
  readonly createdBy: string;
  readonly dataset: string;
  readonly tenant: Tenant;
}

async function fingerprintOf(source: Source, { id, revision, structure }: Template): Promise<string> {
  const identity = JSON.stringify([await sourceIdentity(source), id, revision, structure]);
  return createHash('sha256').update(identity).digest('hex');
}

/** Counts what a backfill would judge, in one snapshot. The scorer is not asked, and nothing is written. */
export async function planBackfill(
  address: SourceAddress,
  request: BackfillRequest,
  options: BackfillPlanOptions,
): Promise<BackfillPlan> {
  return withSnapshot(address, async (source) => {
    const template = await readTemplate(source, request.tenant, request.template, request.revision);
    const selection = {
      tenant: options.tenant,
      range: request.range,
      kind: template.kind,
      template: { id: template.id, revision: template.revision, title: template.title },
      audiences: [template.audience, request.audience ?? {}],
      includeDevUsers: request.includeDevUsers ?? false,
    };
    const counts = await countItems(source, selection);
    return {
      ...selection,
      ...counts,
      id: options.id,
      createdAt: new Date().toISOString(),
      createdBy: options.createdBy,
      dataset: options.dataset,
      scorer: request.scorer,
      reindex: request.reindex ?? true,
      sourceJob: request.sourceJob ?? null,
      before: await countCards(source, selection),
      fingerprint: await fingerprintOf(source, template),
    };
  });
}

/**
 * The template of a saved plan, refused where the server or the revision is another one by now, or where the items have
 * drifted.
 *
 * @throws RefillError `PLAN_FOREIGN`, `PLAN_DRIFTED`, `TEMPLATE_UNKNOWN`.
 */
export async function checkBackfill(
  address: SourceAddress,
  plan: BackfillPlan,
  limits: Pick<Limits, 'countDrift'>,
): Promise<Template> {
  return withSource(address, async (source) => {
    const template = await readTemplate(source, plan.tenant, plan.template.id, plan.template.revision);
    if ((await fingerprintOf(source, template)) !== plan.fingerprint)
      throw new RefillError(
        'PLAN_FOREIGN',
        `backfill ${plan.id} was planned for another server, or its template revision has changed since`,
        { hint: 'Plan it here: `refill backfill` without --execute.' },
      );
    const { items } = await countItems(source, plan);
    const apart = Math.abs(items - plan.items);
    if (apart > 1 && apart > plan.items * limits.countDrift)
      throw new RefillError(
        'PLAN_DRIFTED',
        `backfill ${plan.id} was planned for ${plan.items} items, and there are ${items} now`,
        { hint: 'Look at what changed, then plan it again: `refill backfill` without --execute.' },
      );
    return template;
  });
}
