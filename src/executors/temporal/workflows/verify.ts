import { CancellationScope, patched, workflowInfo } from '@temporalio/workflow';
import { RefillError } from '../../../domain/errors.ts';
import { formatRange, formatTenant } from '../../../domain/words.ts';
import { toFailure } from '../shared/failure.ts';
import { differenceWords, type Verified, type VerifyRequest, verifyRequest } from '../shared/verify.ts';
import { activities } from './activities.ts';
import type { Attributes } from '../shared/attributes.ts';
import { setAttributes } from './attributes.ts';

/**
 * Verifies a range, for schedules: it fails where the two sides differ, as whatever watches workflows watches for those that
 * fail.
 */
export async function refillVerify(payload: unknown): Promise<Verified> {
  const request = requestOf(payload);
  let known = false;
  const tell = (values: Attributes) => setAttributes(known, values);
  try {
    // Workflows that began before are found when they have ended.
    const begun = patched('verify-begin') ? await activities().refillVerifyBegin(request) : null;
    known = begun?.attributes ?? false;
    const { cluster, dataset } = begun ?? request;
    const subject = {
      RefillTenant: formatTenant(request.tenant),
      ...(cluster === undefined ? {} : { RefillCluster: cluster }),
      ...(dataset === undefined ? {} : { RefillDataset: dataset }),
    };
    tell({ ...subject, RefillState: 'running' });
    const {
      attributes = false,
      cluster: found,
      ...verified
    } = await activities(`${subject.RefillTenant}: ${formatRange(request.range)}`).refillVerifyRange(request);
    known ||= attributes;
    tell({
      ...subject,
      ...(found === undefined ? {} : { RefillCluster: found }),
      RefillRun: verified.verification,
      RefillState: verified.ok ? 'succeeded' : 'differences',
    });
    if (verified.ok) return verified;
    throw new RefillError('VERIFY_DIFFERS', differenceWords(request, verified), { details: { ...verified } });
  } catch (error) {
    if (error instanceof RefillError) throw toFailure(error);
    tell({ RefillState: CancellationScope.current().consideredCancelled ? 'cancelled' : 'failed' });
    throw error;
  }
}

function requestOf(payload: unknown): VerifyRequest {
  try {
    return verifyRequest(payload, workflowInfo().startTime);
  } catch (error) {
    throw toFailure(error);
  }
}
