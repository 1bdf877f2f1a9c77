import type { Client, TLSConfig } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import { RefillError } from '../../domain/errors.ts';
import { temporalError } from '../../domain/temporal-error.ts';

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
