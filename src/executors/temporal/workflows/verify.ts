import { workflowInfo } from '@temporalio/workflow';
import { RefillError } from '../../../domain/errors.ts';
import { toFailure } from '../shared/failure.ts';
import { differenceWords, type Verified, verifyRequest } from '../shared/verify.ts';
import { activities } from './activities.ts';

/**
 * Verifies a range, for schedules: it fails where the two sides differ, as whatever watches workflows watches for those that
 * fail.
 */
export async function refillVerify(payload: unknown): Promise<Verified> {
  try {
    const request = verifyRequest(payload, workflowInfo().startTime);
    const verified = await activities.refillVerifyRange(request);
    if (!verified.ok)
      throw new RefillError('VERIFY_DIFFERS', differenceWords(request, verified), { details: { ...verified } });
    return verified;
  } catch (error) {
    throw error instanceof RefillError ? toFailure(error) : error;
  }
}
