import type { TLSConfig } from '@temporalio/client';
import type { TemporalConfig } from './config.ts';
import { resolveSecret } from './secrets.ts';

/** How connections to a Temporal server are encrypted, its certificates read. Throws what `resolveSecret` throws. */
export async function readTemporalTls({
  tls,
  apiKey,
}: Pick<TemporalConfig, 'tls' | 'apiKey'>): Promise<boolean | TLSConfig> {
  // Whoever listens on the way could use the key.
  if (typeof tls !== 'object') return tls ?? apiKey !== undefined;
  const { ca, certificate, key } = tls;
  return {
    ...(ca === undefined ? {} : { serverRootCACertificate: await pem(ca) }),
    ...(certificate === undefined || key === undefined
      ? {}
      : { clientCertPair: { crt: await pem(certificate), key: await pem(key) } }),
  };
}

async function pem(reference: string): Promise<Uint8Array> {
  return Buffer.from(await resolveSecret(reference));
}
