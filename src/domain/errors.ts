import { CATALOGUE, type ErrorAction, type ErrorCode, type ErrorSource } from './catalogue.ts';
import { redact, redactAll } from './redact.ts';

export interface RefillErrorOptions {
  /** What to do next; replaces the catalogue's own hint where the case knows better. */
  readonly hint?: string;
  /** The error that led here. Its text is never printed unless it was made by us: it could quote a row. */
  readonly cause?: unknown;
  /** Facts for programs, printed by `--json`. Never a row's content, never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The one error type of Refill. `message` says what happened in one line, `code` is listed in the catalogue
 * (docs/errors.md), which also gives source, action, exit status and the default hint. Its text goes to the ledger, to
 * Temporal and to programs, so that secrets are taken out of it here.
 */
export class RefillError extends Error {
  override readonly name = 'RefillError';
  readonly code: ErrorCode;
  readonly source: ErrorSource;
  readonly action: ErrorAction;
  readonly exit: number;
  readonly hint: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: RefillErrorOptions = {}) {
    super(redact(message), options.cause === undefined ? undefined : { cause: options.cause });
    const entry = CATALOGUE[code];
    this.code = code;
    this.source = entry.source;
    this.action = entry.action;
    this.exit = entry.exit;
    this.hint = redact(options.hint ?? entry.hint);
    this.details = redactAll(options.details ?? {});
  }

  /** What is kept in the ledger and printed by `--json`. */
  toJSON(): {
    code: ErrorCode;
    message: string;
    source: ErrorSource;
    action: ErrorAction;
    hint: string;
    details: Readonly<Record<string, unknown>>;
  } {
    const { code, message, source, action, hint, details } = this;
    return { code, message, source, action, hint, details };
  }
}

/** The stored or printed form of an error. */
export type ErrorRecord = ReturnType<RefillError['toJSON']>;

/** Any thrown value as a RefillError; what is not one of ours is a bug, and says so. */
export function asRefillError(error: unknown): RefillError {
  if (error instanceof RefillError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new RefillError('BUG', message, { cause: error });
}

/** An error as it was kept. */
export function errorOf({ code, message, hint, details }: ErrorRecord): RefillError {
  return new RefillError(code, message, { hint, details });
}
