import type { Client, TLSConfig } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import { RefillError } from '../../domain/errors.ts';

/** How a Temporal server is reached, with its secrets resolved. */
export interface ConnectionSettings {
  /** `host:port` */
  readonly address: string;
  readonly namespace: string;
  /** Whether the connection is encrypted; with certificates of one's own, these. */
  readonly tls: boolean | TLSConfig;
  readonly apiKey?: string;
  readonly codecs: readonly PayloadCodec[];
}

/** The Temporal server of runs. */
export interface TemporalSettings extends ConnectionSettings {
  /** Beginning of the task queues' names. */
  readonly taskQueue: string;
}

/** What connections of clients and workers are made of. */
export function connectionOptions({ address, tls, apiKey }: ConnectionSettings): {
  readonly address: string;
  readonly tls: boolean | TLSConfig;
  readonly apiKey?: string;
} {
  return { address, tls, ...(apiKey === undefined ? {} : { apiKey }) };
}

/** How long the first connection may take. */
const CONNECT_TIMEOUT = '5 seconds';

/** Connects the SDK's client. Throws `TEMPORAL_MISSING`, `TEMPORAL_UNREACHABLE`, `TEMPORAL_FAILED`. */
export async function connectClient(settings: ConnectionSettings): Promise<Client> {
  const sdk = await loaded(() => import('@temporalio/client'));
  try {
    const connection = await sdk.Connection.connect({
      ...connectionOptions(settings),
      connectTimeout: CONNECT_TIMEOUT,
    });
    const { namespace, codecs } = settings;
    return new sdk.Client({ connection, namespace, dataConverter: { payloadCodecs: [...codecs] } });
  } catch (error) {
    throw temporalError(error, settings);
  }
}

/** Loads a package of Temporal's when it is first needed: who does without Temporal does without them. */
export async function loaded<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND';
    if (!missing) throw cause;
    throw new RefillError('TEMPORAL_MISSING', 'the packages for Temporal (@temporalio/…) are not installed', { cause });
  }
}

/** gRPC's codes of a server that does not answer: DEADLINE_EXCEEDED, UNAVAILABLE. */
const UNREACHABLE: readonly unknown[] = [4, 14];
/** Of one that refuses who asks: PERMISSION_DENIED, UNAUTHENTICATED. */
const REFUSED: readonly unknown[] = [7, 16];
const NOT_FOUND = 5;

/** What a client of Temporal throws as an error of ours. */
export function temporalError(
  thrown: unknown,
  { address, namespace }: Pick<ConnectionSettings, 'address' | 'namespace'>,
): RefillError {
  if (thrown instanceof RefillError) return thrown;
  const cause = thrown instanceof Error && 'cause' in thrown && thrown.cause instanceof Error ? thrown.cause : thrown;
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  const message = cause instanceof Error ? cause.message : String(cause);
  if (UNREACHABLE.includes(code) || /connect|ECONNREFUSED|deadline/iu.test(message))
    return new RefillError('TEMPORAL_UNREACHABLE', `Temporal at ${address} does not answer`, { cause: thrown });
  const hint = hintFor(code, message, namespace);
  return new RefillError('TEMPORAL_FAILED', `Temporal at ${address}, namespace ${namespace}: ${message}`, {
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
