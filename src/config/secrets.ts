import { spawn } from 'node:child_process';
import { open, type FileHandle } from 'node:fs/promises';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { RefillError } from '../domain/errors.ts';
import type { SecretReference } from './config.ts';
import { referenceProblem } from './literals.ts';
import { registerSecret } from '../domain/redact.ts';

/** Seconds that an `exec:` command may take: a password store answers in one, and a hanging one would hang every command. */
const EXEC_LIMIT_SECONDS = 10;
/** No secret is as long; a wrong path (a log, a device) is. */
const MAX_BYTES = 65_536;

export interface ResolveOptions {
  /** What a relative `file:` path is relative to, and where an `exec:` command runs. Default: the current directory. */
  readonly directory?: string;
  /** Told of a secret that can be had but is not kept well. */
  readonly onWarning?: (message: string) => void;
  /** Where `env:` looks. Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** `env:NAME` as scheme and rest; undefined where a text is no reference. */
function split(reference: SecretReference): { readonly scheme: string; readonly rest: string } | undefined {
  if (referenceProblem(reference) !== undefined) return undefined;
  const colon = reference.indexOf(':');
  return { scheme: reference.slice(0, colon), rest: reference.slice(colon + 1) };
}

function missing(reference: SecretReference, why: string): RefillError {
  return new RefillError('CONFIG_SECRET_MISSING', `${reference}: ${why}`, { details: { reference } });
}

function absolutePath(path: string, directory: string): string {
  const trimmed = path.trim();
  return resolve(directory, trimmed.startsWith('~/') ? resolve(homedir(), trimmed.slice(2)) : trimmed);
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * The reference with nothing relative left in it, so that it means the same wherever it is resolved: `file:` paths are
 * made absolute, and `exec:` commands begin by going to the directory.
 */
export function absoluteReference(reference: SecretReference, directory: string): SecretReference {
  const parts = split(reference);
  if (parts?.scheme === 'file') return `file:${absolutePath(parts.rest, directory)}`;
  if (parts?.scheme === 'exec') return `exec:cd -- ${quoted(directory)} || exit; ${parts.rest.trim()}`;
  return reference;
}

/** A failed system call in words; Node's own texts are not ours. */
function systemError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    ENOTDIR: 'there is no such file',
    EACCES: 'it may not be read by this user',
    EPERM: 'it may not be read by this user',
    EISDIR: 'it is a directory',
  };
  return words[code] ?? `it cannot be read (${code === '' ? 'unknown reason' : code})`;
}

async function readSecretFile(handle: FileHandle): Promise<string | undefined> {
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
    length += bytesRead;
    if (length > MAX_BYTES) return undefined;
    if (bytesRead === 0) return buffer.toString('utf8', 0, length);
  }
}

async function fromFile(reference: SecretReference, path: string, options: ResolveOptions): Promise<string> {
  const file = absolutePath(path, options.directory ?? process.cwd());
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    const status = await handle.stat();
    if (!status.isFile()) throw missing(reference, status.isDirectory() ? 'it is a directory' : 'it is not a file');
    // Not refused: Docker and Kubernetes mount secrets as 0444 and 0644, in a file system that only the container sees.
    if ((status.mode & 0o004) !== 0) {
      options.onWarning?.(`${reference}: every user of this machine can read the file; \`chmod 600\` keeps it yours`);
    }
    const text = await readSecretFile(handle);
    if (text === undefined) throw missing(reference, `it is longer than ${MAX_BYTES} bytes`);
    return text;
  } catch (error) {
    throw error instanceof RefillError ? error : missing(reference, systemError(error));
  } finally {
    await handle?.close();
  }
}

/** Ends a command with everything that it started; it has a process group of its own for that. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

async function fromCommand(reference: SecretReference, command: string, options: ResolveOptions): Promise<string> {
  // Its stderr is dropped: a failing password store may print what it was asked for.
  const unseen = 'its own output is not shown, as it could hold the secret: run it by hand';
  return new Promise((fulfil, reject) => {
    const child = spawn('sh', ['-c', command.trim()], {
      cwd: options.directory,
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (why: string): void => {
      clearTimeout(timer);
      endGroup(child.pid);
      child.stdout.destroy();
      reject(missing(reference, why));
    };
    const timer = setTimeout(() => {
      fail(`the command has not ended after ${EXEC_LIMIT_SECONDS} s; ${unseen}`);
    }, EXEC_LIMIT_SECONDS * 1000);
    child.on('error', () => fail('the command cannot be started: `sh` or its directory is missing'));
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_BYTES) fail(`the command prints more than ${MAX_BYTES} bytes`);
    });
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      const text = Buffer.concat(chunks).toString('utf8');
      if (status === 0) fulfil(text);
      else reject(missing(reference, `the command ended with ${signal ?? `status ${status}`}; ${unseen}`));
    });
  });
}

function fromEnvironment(reference: SecretReference, name: string, options: ResolveOptions): string {
  const value = (options.env ?? process.env)[name];
  if (value === undefined) throw missing(reference, 'the environment has no such variable');
  return value;
}

/**
 * The secret that a reference leads to. Called when a connection is opened, not when the configuration is loaded, so
 * that commands without a connection work without it; never kept, so that a short-lived token is fetched again. One
 * newline at its end is cut. It is registered with `redact`. Errors name the reference and never a value.
 */
export async function resolveSecret(reference: SecretReference, options: ResolveOptions = {}): Promise<string> {
  const parts = split(reference);
  if (parts === undefined) {
    throw new RefillError('CONFIG_SECRET_LITERAL', 'a password is not a reference to a secret (it is not repeated)');
  }
  const { scheme, rest } = parts;
  let secret: string;
  if (scheme === 'env') secret = fromEnvironment(reference, rest, options);
  else if (scheme === 'file') secret = await fromFile(reference, rest, options);
  else secret = await fromCommand(reference, rest, options);
  if (scheme !== 'env') secret = secret.replace(/\r?\n$/u, '');
  // A variable that is set to nothing says «no password», as a local server's user has; a file or command that is empty
  // is a mistake.
  if (secret === '' && scheme !== 'env') throw missing(reference, 'it is empty');
  registerSecret(secret);
  return secret;
}
