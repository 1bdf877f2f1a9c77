import { RefillError } from './errors.ts';

/** gRPC's codes of a server that does not answer: DEADLINE_EXCEEDED, UNAVAILABLE. */
const UNREACHABLE: readonly unknown[] = [4, 14];
/** RESOURCE_EXHAUSTED: it was asked for too much at once, which passes. */
const BUSY = 8;
/** Of one that refuses who asks: PERMISSION_DENIED, UNAUTHENTICATED. */
const REFUSED: readonly unknown[] = [7, 16];
const NOT_FOUND = 5;

/** What a client of Temporal throws as an error of ours: of Refill's own server, and of one of the users. */
export function temporalError(
  thrown: unknown,
  { address, namespace }: { readonly address: string; readonly namespace: string },
): RefillError {
  if (thrown instanceof RefillError) return thrown;
  const chain: Error[] = [];
  for (let at = thrown; at instanceof Error; at = at.cause) chain.push(at);
  // The SDK wraps what gRPC says, which has the code, and says it best.
  const told = chain.find((error) => 'code' in error && typeof error.code === 'number') ?? chain[1] ?? chain[0];
  const code = told && 'code' in told ? told.code : undefined;
  const message = told?.message ?? String(thrown);
  const server = `Temporal at ${address}`;
  if (code === BUSY)
    return new RefillError('TEMPORAL_UNREACHABLE', `${server} was asked for too much: ${message}`, { cause: thrown });
  if (UNREACHABLE.includes(code) || /connect|ECONNREFUSED|deadline/iu.test(message))
    return new RefillError('TEMPORAL_UNREACHABLE', `${server} does not answer`, { cause: thrown });
  const hint = hintFor(code, message, namespace);
  return new RefillError('TEMPORAL_FAILED', `${server}, namespace ${namespace}: ${message}`, {
    cause: thrown,
    ...(hint === null ? {} : { hint }),
  });
}

function hintFor(code: unknown, message: string, namespace: string): string | null {
  if (REFUSED.includes(code))
    return 'Check `apiKey` and `tls` of this server in the configuration, and what they may do.';
  if (code === NOT_FOUND && /namespace/iu.test(message))
    return `Correct \`namespace\` in the configuration, or make it: temporal operator namespace create --namespace ${namespace}`;
  return null;
}
