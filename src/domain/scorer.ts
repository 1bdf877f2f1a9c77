import type { Instant } from './words.ts';

/** What a scorer judges: conversations, or process scorecards that exist already and have no conversation. */
export type ScoredKind = 'conversations' | 'process-scorecards';

/** A conversation, or a process scorecard, as a scorer is told of it. */
export interface ScorerItem {
  /** Id of the conversation or of the process scorecard. */
  readonly id: string;
  /** The conversation's agent now, or the scorecard's. */
  readonly agentUserId: string | null;
  /** When the conversation began; of a process scorecard its own time. */
  readonly startedAt: Instant;
  /** Null while a conversation runs, and for process scorecards. */
  readonly endedAt: Instant | null;
  readonly language: string | null;
  /** What the source keeps beside it; empty for process scorecards. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** The revision of a template that is filled in. */
export interface ScorerTemplate {
  readonly id: string;
  readonly revision: string;
  readonly title: string;
  /** The leaf criteria, in the order of the structure: only these can have scores. */
  readonly criteria: readonly string[];
  /** The whole structure, as the source has it. */
  readonly structure: unknown;
}

/** One batch. Its JSON is the body that an HTTP scorer gets. */
export interface ScorerRequest {
  /** Of the contract. A change that old scorers cannot read makes it 2. */
  readonly version: 1;
  readonly customer: string;
  readonly profile: string;
  readonly kind: ScoredKind;
  readonly template: ScorerTemplate;
  readonly items: readonly ScorerItem[];
}

/** What a scorer says of one criterion. */
export interface GivenScore {
  readonly criterion: string;
  readonly value: number | null;
  readonly text: string | null;
  readonly notApplicable: boolean;
}

/** What a scorer says of one item. */
export interface Judgement {
  readonly id: string;
  /** Percent of the whole scorecard. */
  readonly score: number | null;
  readonly scores: readonly GivenScore[];
}

/** An item without a usable judgement, and why: never dropped, always named and counted. */
export interface Unjudged {
  readonly id: string;
  readonly code: 'SCORER_PARTIAL' | 'SCORER_SHAPE' | 'SCORER_DECLINED';
  /** Names the field, never a value. */
  readonly message: string;
}

/** The answer to a batch, every item of it in one of the two lists. */
export interface Judged {
  readonly judgements: readonly Judgement[];
  readonly unjudged: readonly Unjudged[];
}

/** Judges batches. What it throws is an error of the catalogue; the executor tries again what may be. */
export interface Scorer {
  readonly name: string;
  /** Items that a request has at most. */
  readonly batch: number;
  judge(request: ScorerRequest, signal: AbortSignal): Promise<Judged>;
}
