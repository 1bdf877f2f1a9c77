import { workflowInfo } from '@temporalio/workflow';
import { RefillError } from '../../../domain/errors.ts';
import { formatTenant } from '../../../domain/words.ts';
import { toFailure } from '../shared/failure.ts';
import { differenceWords, type Verified, verifyRequest } from '../shared/verify.ts';
import { activities } from './activities.ts';
import { setAttributes } from './attributes.ts';

/**
 * Verifies a range, for schedules: it fails where the two sides differ, as whatever watches workflows watches for those that
 * fail.
 */
export async function refillVerify(payload: unknown): Promise<Verified> {
  try {
    const request = verifyRequest(payload, workflowInfo().startTime);
    const { attributes = false, ...verified } = await activities.refillVerifyRange(request);
    const { tenant, cluster, dataset } = request;
    setAttributes(attributes, {
      RefillRun: verified.verification,
      RefillTenant: formatTenant(tenant),
      ...(cluster === undefined ? {} : { RefillCluster: cluster }),
      ...(dataset === undefined ? {} : { RefillDataset: dataset }),
      RefillState: verified.ok ? 'succeeded' : 'differences',
    });
    if (!verified.ok)
      throw new RefillError('VERIFY_DIFFERS', differenceWords(request, verified), { details: { ...verified } });
    return verified;
  } catch (error) {
    throw error instanceof RefillError ? toFailure(error) : error;
  }
}
