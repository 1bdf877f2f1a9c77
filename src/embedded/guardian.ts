import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';

import { z } from 'zod';

import { RefillError } from '../domain/errors.ts';
import { notStarted, serverEnvironment, started, turnLog, type Launch, type Program } from './launcher.ts';

/**
 * The guardian: a small process between us and the servers, so that they never outlive us.
 *
 * It starts the servers itself, and its standard input is a pipe whose other end only we hold. However we end (exit,
 * Ctrl-C, `kill -9`), the kernel closes our end, and the guardian kills its children at once. No pid is polled and
 * none can be mistaken: a child that was not waited for keeps its pid. It is in a session of its own, so a Ctrl-C in
 * the terminal reaches us and not the servers. It ends by itself when its last child has ended.
 *
 * One JSON line in starts a program, one JSON line out says its pid or why not.
 */
const GUARDIAN = `
const { spawn } = require('node:child_process');
const { openSync, closeSync, rmSync } = require('node:fs');
const removeAtEnd = JSON.parse(process.argv[1]);
const children = new Set();
let ending = false, idle;
function finish() {
  for (const path of removeAtEnd) { try { rmSync(path, { recursive: true, force: true, maxRetries: 3 }); } catch {} }
  process.exit(0);
}
function ended() {
  if (children.size > 0) return;
  if (ending) finish();
  clearTimeout(idle);
  idle = setTimeout(() => process.exit(0), 3000);
}
function end() {
  if (ending) return;
  ending = true;
  // SIGQUIT is Postgres's immediate shutdown: it ends its own children too, which SIGKILL would not.
  for (const child of children) child.kill(child.polite ? 'SIGQUIT' : 'SIGKILL');
  setTimeout(() => { for (const child of children) child.kill('SIGKILL'); }, 3000);
  setTimeout(finish, 5000);
  ended();
}
function start(request) {
  const { id, program, env } = request;
  const reply = (answer) => { try { process.stdout.write(JSON.stringify({ id, ...answer }) + '\\n'); } catch {} };
  try {
    const log = openSync(program.log, 'a', 0o600);
    const child = spawn(program.file, program.args, {
      cwd: program.cwd, detached: true, stdio: ['ignore', log, log], env, uid: program.uid, gid: program.gid,
    });
    closeSync(log);
    clearTimeout(idle);
    child.polite = request.polite;
    if (child.pid) children.add(child);
    child.once('error', (error) => { children.delete(child); reply({ error: error.message }); ended(); });
    child.once('spawn', () => reply({ pid: child.pid }));
    child.once('exit', () => { children.delete(child); ended(); });
  } catch (error) { reply({ error: error.message }); }
}
let buffer = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => {
  buffer += text;
  for (let at; (at = buffer.indexOf('\\n')) >= 0; buffer = buffer.slice(at + 1)) start(JSON.parse(buffer.slice(0, at)));
});
process.stdin.on('end', end).on('close', end).on('error', end);
process.stdout.on('error', () => {});
process.on('SIGTERM', end).on('SIGINT', end).on('SIGHUP', () => {});
`;

const Reply = z.object({ id: z.number(), pid: z.number().optional(), error: z.string().optional() });

interface Pending {
  readonly resolve: (pid: number) => void;
  readonly reject: (error: Error) => void;
}

/** A launcher whose servers end with this process; `removeAtEnd` are paths that go then too. */
export function launchAttached(removeAtEnd: readonly string[] = []): Launch {
  let guardian: Guardian | undefined;
  return async (program) => {
    turnLog(program.log);
    // It ends with its last child: then a later one needs another.
    if (guardian === undefined || guardian.ended) guardian = new Guardian(removeAtEnd);
    try {
      return started(await guardian.start(program), program);
    } catch (cause) {
      throw notStarted(program, cause);
    }
  };
}

class Guardian {
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  /** Set once it can start nothing more. */
  ended = false;

  constructor(removeAtEnd: readonly string[]) {
    this.#process = spawn(process.execPath, ['-e', GUARDIAN, JSON.stringify(removeAtEnd)], {
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: serverEnvironment(),
      cwd: '/',
    });
    this.#process.once('exit', () => this.#fail('the guardian of the embedded servers ended'));
    this.#process.once('error', (error) => this.#fail(error.message));
    this.#process.stdin?.on('error', (error) => this.#fail(error.message));
    if (this.#process.stdout !== null) {
      createInterface({ input: this.#process.stdout }).on('line', (line) => this.#answered(line));
    }
    // It must not keep us alive: our end is its signal.
    this.#process.unref();
    for (const pipe of [this.#process.stdin, this.#process.stdout]) if (pipe instanceof Socket) pipe.unref();
  }

  async start(program: Program): Promise<number> {
    const id = ++this.#lastId;
    const polite = program.file.endsWith('postgres');
    // The pipes do not keep the event loop alive, so something has to while we wait for the answer.
    const alive = setInterval(() => undefined, 1000);
    try {
      return await new Promise<number>((resolve, reject) => {
        this.#pending.set(id, { resolve, reject });
        this.#process.stdin?.write(`${JSON.stringify({ id, program, polite, env: serverEnvironment() })}\n`);
      });
    } finally {
      clearInterval(alive);
      this.#pending.delete(id);
    }
  }

  #answered(line: string): void {
    const reply = Reply.parse(JSON.parse(line));
    const pending = this.#pending.get(reply.id);
    if (reply.pid === undefined) pending?.reject(new Error(reply.error ?? 'no answer'));
    else pending?.resolve(reply.pid);
  }

  #fail(message: string): void {
    this.ended = true;
    for (const pending of this.#pending.values()) pending.reject(new RefillError('EMBEDDED_FAILED', message));
  }
}
