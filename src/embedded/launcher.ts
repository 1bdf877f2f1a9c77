import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, renameSync, statSync } from 'node:fs';

import { RefillError } from '../domain/errors.ts';
import { refOf, type ProcessRef } from './process.ts';

export interface Program {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Output and errors go here, after what is there. */
  readonly log: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** Starts a server in a session of its own. Who ends it depends on the launcher. */
export type Launch = (program: Program) => Promise<ProcessRef>;

const LOG_LIMIT_BYTES = 10_000_000;

/**
 * What a server sees of our environment. Nothing else: PGPORT and the like would change it, NODE_OPTIONS of a test
 * runner would break it, and a secret would live on in a process that nobody looks at.
 */
export function serverEnvironment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', HOME: '/' };
}

/** Keeps a log from growing without end: the one before it is kept, older ones are not. */
export function turnLog(log: string): void {
  if (existsSync(log) && statSync(log).size > LOG_LIMIT_BYTES) renameSync(log, `${log}.1`);
}

/** A server that stays when this process ends. */
export const launchDetached: Launch = async (program) => {
  turnLog(program.log);
  const log = openSync(program.log, 'a', 0o600);
  try {
    const child = spawn(program.file, program.args, {
      cwd: program.cwd,
      detached: true,
      stdio: ['ignore', log, log],
      env: serverEnvironment(),
      ...(program.uid === undefined ? {} : { uid: program.uid }),
      ...(program.gid === undefined ? {} : { gid: program.gid }),
    });
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', () => resolve(child.pid ?? 0));
    });
    child.unref();
    return started(pid, program);
  } catch (cause) {
    throw notStarted(program, cause);
  } finally {
    closeSync(log);
  }
};

/** The started process. One that ended within the moment is told by the caller, who reads its log. */
export function started(pid: number, program: Program): ProcessRef {
  const ref = refOf(pid);
  if (ref === undefined) throw notStarted(program, undefined);
  return ref;
}

export function notStarted(program: Program, cause: unknown): RefillError {
  if (cause instanceof RefillError) return cause;
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new RefillError('EMBEDDED_FAILED', `${program.file} did not start${why}; its log is ${program.log}`, {
    cause,
  });
}
