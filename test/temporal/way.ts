import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import {
  type ClientHttp2Stream,
  connect,
  constants,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

/** Certificates of an authority of the test's own, as files. */
export interface Certificates {
  readonly ca: string;
  readonly server: { readonly certificate: string; readonly key: string };
  readonly client: { readonly certificate: string; readonly key: string };
}

/**
 * Makes an authority, and a server and a client whose certificates it has signed.
 *
 * @param names By which the server may be called.
 */
export async function makeCertificates(names = 'IP:127.0.0.1,DNS:localhost'): Promise<Certificates> {
  const dir = await mkdtemp(join(tmpdir(), 'refill-certificates-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const openssl = (...args: readonly string[]) => promisify(execFile)('openssl', args, { cwd: dir });
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await openssl(
    'req',
    '-x509',
    '-days',
    '2',
    ...fresh,
    '-subj',
    '/CN=a test authority',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
  );
  await writeFile(join(dir, 'names'), `subjectAltName=${names}`);
  const signed = async (name: string) => {
    await openssl('req', ...fresh, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
    await openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-out', `${name}.pem`);
    return { certificate: join(dir, `${name}.pem`), key: join(dir, `${name}.key`) };
  };
  return { ca: join(dir, 'ca.pem'), server: await signed('server'), client: await signed('client') };
}

/** A way to a Temporal server as a company has it: encrypted, for clients with its certificate and its key alone. */
export interface GuardedWay {
  /** `host:port` */
  readonly address: string;
  /** The gRPC methods that were called, each with the `authorization` that came with it. */
  readonly calls: readonly { readonly method: string; readonly authorization: string | undefined }[];
  /** Why connections were not made, by the codes of TLS. */
  readonly unmade: readonly string[];
}

export async function guard(address: string, certificates: Certificates, apiKey: string): Promise<GuardedWay> {
  const [ca, cert, key] = await Promise.all(
    [certificates.ca, certificates.server.certificate, certificates.server.key].map((file) => readFile(file)),
  );
  const calls: GuardedWay['calls'][number][] = [];
  const unmade: string[] = [];
  const onward = connect(`http://${address}`);
  onward.on('error', () => undefined);
  const server = createSecureServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true });
  server.on('stream', (stream, headers) => {
    const { authorization } = headers;
    calls.push({ method: String(headers[':path']).split('/').at(-1) ?? '', authorization });
    if (authorization === `Bearer ${apiKey}`) pass(stream, onward.request(withoutPlace(headers)));
    else stream.respond(grpcEnd(16, 'the key is not known'), { endStream: true });
  });
  server.on('sessionError', () => undefined);
  server.on('tlsClientError', (error: NodeJS.ErrnoException) => unmade.push(error.code ?? error.message));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    onward.destroy();
    server.close();
  });
  const place = server.address();
  return { address: `127.0.0.1:${typeof place === 'object' ? place?.port : 0}`, calls, unmade };
}

function withoutPlace({ ':authority': _a, ':scheme': _s, ...headers }: IncomingHttpHeaders): IncomingHttpHeaders {
  return headers;
}

const grpcEnd = (status: number, message: string) => ({
  ':status': 200,
  'content-type': 'application/grpc',
  'grpc-status': `${status}`,
  'grpc-message': message,
});

/** Hands a call on, and its answer back with what gRPC says after it. */
function pass(stream: ServerHttp2Stream, onward: ClientHttp2Stream): void {
  let after: IncomingHttpHeaders = {};
  onward.on('response', (headers, flags) => {
    const ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    if (!stream.destroyed) stream.respond(headers, ended ? { endStream: true } : { waitForTrailers: true });
  });
  onward.on('trailers', (headers) => (after = headers));
  onward.on('error', () => stream.destroy());
  stream.on('wantTrailers', () => stream.sendTrailers(after));
  stream.on('error', () => undefined).on('close', () => onward.close(constants.NGHTTP2_CANCEL));
  stream.pipe(onward).pipe(stream);
}
