import type { ScorerRequest } from '../domain/scorer.ts';

/** A scorer in this process. Its answer is checked as that of one behind HTTP. */
export interface FunctionScorer {
  /**
   * Judges a batch.
   *
   * @returns `{ results: [{ id, score?, scores: [{ criterion, value?, text?, notApplicable? }] } | { id, error }] }`, as
   * in scorer.openapi.json.
   */
  readonly score: (request: ScorerRequest, options: { readonly signal: AbortSignal }) => unknown;
  /** Items a call. Default 20: some seconds of a model's time, so that little is judged again after a crash. */
  readonly batch?: number;
  /** Seconds that a call may take. Default 60. */
  readonly timeoutSeconds?: number;
}

/** A scorer for `scorers` of a `refill.config.ts`: returns it as it is, so that the compiler checks it. */
export function defineScorer(scorer: FunctionScorer): FunctionScorer {
  return scorer;
}
