import type { ScorerConfig } from '../config/config.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { Scorer, ScorerRequest } from '../domain/scorer.ts';
import { postBatch } from './http.ts';

const DEFAULT_BATCH = 20;
const DEFAULT_TIMEOUT_SECONDS = 60;
/** Twenty items with a hundred scores of 4 KB each; what is larger is no answer. */
const DEFAULT_ANSWER_MB = 8;

type Judge = (request: ScorerRequest, signal: AbortSignal) => Promise<unknown>;

/**
 * A scorer of the configuration, ready to be asked.
 *
 * @param resolve Turns the key's reference into the key; asked for each batch, so that a key can be changed meanwhile.
 */
export function openScorer(
  name: string,
  config: ScorerConfig,
  resolve: (reference: string) => Promise<string>,
): Scorer {
  const ask: Judge =
    'score' in config
      ? (request, signal) => callFunction(name, config, request, signal)
      : async (request, signal) => {
          const key = config.key === undefined ? undefined : await resolve(config.key);
          const answerBytes = (config.answerMegabytes ?? DEFAULT_ANSWER_MB) * 1_000_000;
          return postBatch(name, { url: config.url, key, answerBytes }, request, signal);
        };
  const seconds = config.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  return {
    name,
    batch: config.batch ?? DEFAULT_BATCH,
    judge: async (request, signal) => {
      const answer = await limited(name, seconds, signal, ask, request);
      // Loaded when it is needed: importing the library loads no schema.
      const { checkAnswer } = await import('./answer.ts');
      return checkAnswer(name, request, answer);
    },
  };
}

/** Ends a call that takes too long; a function that does not listen to its signal is left alone, and its answer lost. */
async function limited(
  name: string,
  seconds: number,
  signal: AbortSignal,
  ask: Judge,
  request: ScorerRequest,
): Promise<unknown> {
  signal.throwIfAborted();
  const limit = new AbortController();
  const timer = setTimeout(
    () => limit.abort(new RefillError('SCORER_TIMEOUT', `scorer ${name} has not answered after ${seconds} s`)),
    seconds * 1000,
  );
  const either = AbortSignal.any([signal, limit.signal]);
  let end: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    end = () => {
      const reason: Error = either.reason;
      reject(reason);
    };
    either.addEventListener('abort', end, { once: true });
  });
  try {
    return await Promise.race([ask(request, either), aborted]);
  } finally {
    clearTimeout(timer);
    // A signal made of others is kept for as long as somebody listens to it: one for each batch would add up.
    either.removeEventListener('abort', end);
  }
}

async function callFunction(
  name: string,
  config: Extract<ScorerConfig, { readonly score: unknown }>,
  request: ScorerRequest,
  signal: AbortSignal,
): Promise<unknown> {
  try {
    return await config.score(request, { signal });
  } catch (error) {
    const known = asRefillError(error);
    // What a function throws could quote a conversation: its name has to do.
    throw known.code === 'BUG'
      ? new RefillError('SCORER_FAILED', `scorer ${name} throws ${error instanceof Error ? error.name : 'something'}`, {
          cause: error,
        })
      : known;
  }
}
