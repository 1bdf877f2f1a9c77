import type { TLSConfig } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import { loadCodecs } from './codecs.ts';
import type { TemporalConnection, TemporalTls } from './config.ts';
import { resolveSecret } from './secrets.ts';

/** A connection with its secrets, certificates and codecs read. */
interface ReadConnection extends Pick<TemporalConnection, 'address' | 'namespace'> {
  readonly tls: boolean | TLSConfig;
  readonly apiKey?: string;
  readonly codecs: readonly PayloadCodec[];
}

/** Reads what a connection to a Temporal server needs. Throws what `resolveSecret` and `loadCodecs` throw. */
export async function readTemporalConnection({
  address,
  namespace,
  tls,
  apiKey,
  codec,
}: TemporalConnection): Promise<ReadConnection> {
  return {
    address,
    namespace,
    // Whoever listens on the way could use the key.
    tls: typeof tls === 'object' ? await readTls(tls) : (tls ?? apiKey !== undefined),
    ...(apiKey === undefined ? {} : { apiKey: await resolveSecret(apiKey) }),
    codecs: codec === undefined ? [] : await loadCodecs(codec),
  };
}

async function readTls({ ca, certificate, key, serverName }: TemporalTls): Promise<TLSConfig> {
  return {
    ...(serverName === undefined ? {} : { serverNameOverride: serverName }),
    ...(ca === undefined ? {} : { serverRootCACertificate: await pem(ca) }),
    ...(certificate === undefined || key === undefined
      ? {}
      : { clientCertPair: { crt: await pem(certificate), key: await pem(key) } }),
  };
}

async function pem(reference: string): Promise<Uint8Array> {
  return Buffer.from(await resolveSecret(reference));
}
