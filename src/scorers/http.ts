import { RefillError } from '../domain/errors.ts';
import type { ScorerRequest } from '../domain/scorer.ts';

export interface HttpScorerAddress {
  readonly url: string;
  /** Sent as `Authorization: Bearer …`. */
  readonly key: string | undefined;
  /** Bytes that an answer may have. */
  readonly answerBytes: number;
}

/** Statuses with which a service asks for patience. */
const PATIENCE = [408, 425, 429];

/**
 * Posts a batch to a scorer and returns the JSON of its answer.
 *
 * @throws RefillError `SCORER_UNREACHABLE`, `SCORER_FAILED`, `SCORER_REFUSED`, `SCORER_SHAPE`. An answer's text is in none
 * of them: it could quote a conversation.
 */
export async function postBatch(
  name: string,
  address: HttpScorerAddress,
  request: ScorerRequest,
  signal: AbortSignal,
): Promise<unknown> {
  const response = await send(name, address, request, signal);
  if (!response.ok) {
    await response.body?.cancel().catch(() => undefined);
    throw statusError(name, response.status);
  }
  const text = await readBody(name, response, address.answerBytes, signal);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new RefillError('SCORER_SHAPE', `scorer ${name}: the answer is not JSON`);
  }
}

async function send(
  name: string,
  { url, key }: HttpScorerAddress,
  request: ScorerRequest,
  signal: AbortSignal,
): Promise<Response> {
  try {
    return await fetch(url, {
      method: 'POST',
      // A key is for the address that was configured, and for no other.
      redirect: 'manual',
      signal,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify(request),
    });
  } catch (error) {
    throw unreachable(name, error, signal);
  }
}

function statusError(name: string, status: number): RefillError {
  const code = status >= 500 || PATIENCE.includes(status) ? 'SCORER_FAILED' : 'SCORER_REFUSED';
  return new RefillError(code, `scorer ${name} answers with status ${status}`, { details: { scorer: name, status } });
}

async function readBody(name: string, response: Response, most: number, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    const body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = response.body ?? [];
    for await (const chunk of body) {
      bytes += chunk.length;
      // Leaving the loop ends the connection.
      if (bytes > most)
        throw new RefillError('SCORER_SHAPE', `scorer ${name}: the answer is longer than ${most} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof RefillError ? error : unreachable(name, error, signal);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function unreachable(name: string, error: unknown, signal: AbortSignal): unknown {
  // Who stopped it says why: a time limit, or the end of the program.
  if (signal.aborted) return signal.reason;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'the connection broke';
  return new RefillError('SCORER_UNREACHABLE', `scorer ${name} does not answer: ${code}`, {
    cause: error,
    details: { scorer: name },
  });
}
