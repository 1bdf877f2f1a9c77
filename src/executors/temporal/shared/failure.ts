import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure, TimeoutFailure } from '@temporalio/common';
import { CATALOGUE, type ErrorCode } from '../../../domain/catalogue.ts';
import { asRefillError, RefillError } from '../../../domain/errors.ts';

/**
 * The one place where our errors become Temporal's, and back. The code is the failure's type, and the error itself its
 * detail.
 */

/**
 * What another try on any worker can mend. Everything else was tried within the activity, as the catalogue says, as
 * often as it helps.
 *
 * - `INTERRUPTED`: a worker that shuts down hands its work back.
 * - `LEDGER_UNREACHABLE`: nothing can be kept; the work waits until the ledger is back, however long that takes.
 */
const TRIED_AGAIN: readonly ErrorCode[] = ['INTERRUPTED', 'LEDGER_UNREACHABLE'];

/** @param how `final` and `again` say whether another try can mend it, whatever its code. Default: by its code. */
export function toFailure(thrown: unknown, how?: 'final' | 'again'): ApplicationFailure {
  if (thrown instanceof ApplicationFailure) return thrown;
  const error = asRefillError(thrown);
  const again = how === undefined ? TRIED_AGAIN.includes(error.code) : how === 'again';
  return ApplicationFailure.create({
    message: error.message,
    type: error.code,
    nonRetryable: !again,
    details: [error.toJSON()],
  });
}

export function fromFailure(thrown: unknown): RefillError {
  if (thrown instanceof ActivityFailure || thrown instanceof ChildWorkflowFailure) return fromFailure(thrown.cause);
  if (thrown instanceof TimeoutFailure) return new RefillError('WORKFLOW_ENDED', `timed out: ${thrown.message}`);
  if (!(thrown instanceof ApplicationFailure)) return asRefillError(thrown);
  const code = codeOf(thrown.type);
  if (code === null) return new RefillError('BUG', `${thrown.type ?? 'an error'}: ${thrown.message}`);
  const record = recordOf(thrown.details?.[0]);
  return new RefillError(code, thrown.message, record);
}

function codeOf(type: string | null | undefined): ErrorCode | null {
  return Object.keys(CATALOGUE).find((code): code is ErrorCode => code === type) ?? null;
}

function recordOf(detail: unknown): { hint?: string; details?: Readonly<Record<string, unknown>> } {
  if (typeof detail !== 'object' || detail === null) return {};
  return {
    ...('hint' in detail && typeof detail.hint === 'string' ? { hint: detail.hint } : {}),
    ...('details' in detail && typeof detail.details === 'object' && detail.details !== null
      ? { details: { ...detail.details } }
      : {}),
  };
}
