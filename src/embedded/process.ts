import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that stays recognisable: a pid alone is given to somebody else after a while. */
export interface ProcessRef {
  readonly pid: number;
  /** When it started, in a form that no other process with this pid has. */
  readonly started: string;
}

/**
 * When the process with this pid started, or undefined where none runs. A process that has ended and waits for its
 * parent (a zombie) counts as ended.
 */
export function startOf(pid: number): string | undefined {
  return platform() === 'linux' ? startFromProc(pid) : startFromPs(pid);
}

function startFromProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state] = fields;
    const startTicks = fields[19];
    if (state === undefined || startTicks === undefined || hasEnded(pid, state)) return undefined;
    // Ticks count from the machine's start, so after a reboot the same pair could come again.
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${startTicks}`;
  } catch {
    return undefined;
  }
}

/** A killed server's first thread is a zombie while others still end, and until they have, its ports are taken. */
function hasEnded(pid: number, state: string): boolean {
  return state === 'X' || (state === 'Z' && readdirSync(`/proc/${pid}/task`).length < 2);
}

function startFromPs(pid: number): string | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=,command=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    if (line === '' || line.startsWith('Z')) return undefined;
    // The state changes while it runs: only the start time and the command tell it apart.
    return line.replace(/^\S+\s+/u, '');
  } catch {
    return undefined;
  }
}

export function refOf(pid: number): ProcessRef | undefined {
  const started = startOf(pid);
  return started === undefined ? undefined : { pid, started };
}

/** Whether exactly this process still runs. */
export function isRunning(ref: ProcessRef): boolean {
  return startOf(ref.pid) === ref.started;
}

/** Sends a signal to exactly this process; false where it no longer runs. */
export function signal(ref: ProcessRef, name: NodeJS.Signals): boolean {
  if (!isRunning(ref)) return false;
  try {
    process.kill(ref.pid, name);
    return true;
  } catch {
    return false;
  }
}

/**
 * Ends a process: each signal in turn, with its patience in milliseconds, until it is gone. Resolves to false where
 * it outlives them all.
 */
export async function end(ref: ProcessRef, signals: readonly (readonly [NodeJS.Signals, number])[]): Promise<boolean> {
  for (const [name, patienceMs] of signals) {
    if (!signal(ref, name)) return true;
    const deadline = Date.now() + patienceMs;
    while (Date.now() < deadline) {
      if (!isRunning(ref)) return true;
      await sleep(20);
    }
  }
  return !isRunning(ref);
}
