import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { RefillError } from '../domain/errors.ts';
import { clickhouseAnswers, startClickHouse } from './clickhouse.ts';
import { ownerOf } from './clickhouse-access.ts';
import { configPath, writeConfig } from './config-file.ts';
import { hasFleet } from './fleet-state.ts';
import { launchAttached } from './guardian.ts';
import { LEDGER_DATABASE, LOOPBACK, POSTGRES_USER, type EmbeddedInfo, type EmbeddedOptions } from './info.ts';
import { launchDetached, type Launch } from './launcher.ts';
import { choosePorts, isPortTaken, PORT_ATTEMPTS } from './ports.ts';
import {
  passwordFile,
  postgresAnswers,
  postgresPlace,
  readPassword,
  startPostgres,
  type PostgresPlace,
} from './postgres.ts';
import { end, isRunning, type ProcessRef } from './process.ts';
import { readState, withLock, writeState, type StackState } from './state.ts';

const DEFAULT_TIMEOUT_MS = 60_000;

/** What differs where a stack is one of a fleet's. */
export interface Membership {
  /** Whether it has an engine of its own; without, only its Postgres is started. */
  readonly engine: boolean;
  /** Default: by `attached` and `temporary`. */
  readonly launch?: Launch;
  /** Where its Postgres is. Default: where it was, or where it can be. */
  readonly place?: PostgresPlace;
  /** The most that the engine may take, in bytes. Default: for one engine on this machine. */
  readonly memoryBytes?: number;
}

const ALONE: Membership = { engine: true };

/**
 * Starts a Postgres server and a ClickHouse engine on loopback, with everything they need in `dir`. What already runs
 * there is left alone, what has ended is started again with its data.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedInfo> {
  const dir = resolve(options.dir);
  if (hasFleet(dir)) {
    throw new RefillError('USAGE', `${options.dir} holds a fleet`, {
      hint: 'Start it with `refill up --fleet`, or name another directory with --dir.',
    });
  }
  const state = await startServers(options, ALONE, async (now, before) => {
    await writeConfig(dir, configPorts(now), before === undefined ? undefined : configPorts(before));
  });
  return infoOf(dir, state);
}

/** Starts the servers of a directory that do not run; `whenUp` is told while no other start or stop is at work. */
export async function startServers(
  options: EmbeddedOptions,
  membership: Membership,
  whenUp?: (now: StackState, before: StackState | undefined) => Promise<void>,
): Promise<StackState> {
  const dir = resolve(options.dir);
  await mkdir(join(dir, 'logs'), { recursive: true });
  return await withLock(dir, async () => {
    const before = await readState(dir);
    for (let attempt = 1; ; attempt++) {
      try {
        const state = await startMissing(dir, options, await readState(dir), membership);
        await whenUp?.(state, before);
        return state;
      } catch (error) {
        // Only ports that nobody asked for can be exchanged for others.
        if (attempt === PORT_ATTEMPTS || options.ports !== undefined || !isPortTaken(error)) throw error;
      }
    }
  });
}

/** What runs in `dir`, or undefined where not both servers do. */
export async function embeddedInfo(dir: string): Promise<EmbeddedInfo | undefined> {
  const path = resolve(dir);
  const state = await readState(path);
  return state !== undefined && runs(state.postgres) && runs(state.clickhouse) ? infoOf(path, state) : undefined;
}

/** Ends both servers of `dir`, data and ports kept. Says which ones ran. */
export async function stopEmbedded(dir: string): Promise<{ readonly stopped: readonly ('postgres' | 'clickhouse')[] }> {
  const path = resolve(dir);
  if ((await readState(path)) === undefined) return { stopped: [] };
  return await withLock(path, async () => {
    const state = await readState(path);
    if (state === undefined) return { stopped: [] };
    const { process: postgres, ...postgresRest } = state.postgres;
    const { process: clickhouse, ...clickhouseRest } = state.clickhouse;
    const stopped = await Promise.all([stopPostgres(postgres), stopClickHouse(clickhouse)]);
    await writeState(path, { ...state, postgres: postgresRest, clickhouse: clickhouseRest });
    return { stopped: stopped.filter((name) => name !== undefined) };
  });
}

/** Ends both servers and removes the directory, and Postgres's data where it had to be elsewhere. */
export async function removeEmbedded(dir: string): Promise<void> {
  const path = resolve(dir);
  await stopEmbedded(path);
  const state = await readState(path);
  if (state !== undefined) await rm(state.postgres.data, { recursive: true, force: true });
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

/** Starts the servers that do not run, both at once; after each, the state on disk knows it. */
async function startMissing(
  dir: string,
  options: EmbeddedOptions,
  known: StackState | undefined,
  membership: Membership,
): Promise<StackState> {
  const place = membership.place ?? (await postgresPlace(dir, known?.postgres.data));
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const removeAtEnd = options.temporary === true ? [place.data, dir] : [];
  const launch = membership.launch ?? (options.attached === true ? launchAttached(removeAtEnd) : launchDetached);

  // A pid alone is not enough: a server that was killed this moment still has one, and one may be starting still.
  const [upPostgres, upClickHouse] = await Promise.all([
    known?.postgres.process !== undefined &&
      postgresAnswers(known.postgres.process, place, known.postgres.port, timeoutMs),
    known?.clickhouse.process !== undefined &&
      clickhouseAnswers(known.clickhouse.process, dir, known.clickhouse.http, timeoutMs),
  ]);
  const [postgresPort, http, tcp] = await portsFor(options, known, upPostgres, upClickHouse);
  const startEngine = membership.engine && !upClickHouse;
  let state: StackState = {
    version: 1,
    postgres: known !== undefined && upPostgres ? known.postgres : { port: postgresPort, data: place.data },
    clickhouse: known !== undefined && upClickHouse ? known.clickhouse : { http, tcp },
  };
  // Before anything starts, so that even a start that is killed leaves its place known.
  let written = writeState(dir, state);
  await written;

  // A server is remembered as soon as it has a pid: one that is still starting must be found by `stopEmbedded` too.
  const remembering =
    (remember: (process: ProcessRef) => StackState): Launch =>
    async (program) => {
      const process = await launch(program);
      state = remember(process);
      // One after the other: both servers start at once, and the later state holds the earlier one.
      written = written.then(() => writeState(dir, state));
      await written;
      return process;
    };
  const results = await Promise.allSettled([
    upPostgres ||
      startPostgres(
        dir,
        place,
        postgresPort,
        remembering((process) => ({ ...state, postgres: { ...state.postgres, process } })),
        timeoutMs,
      ),
    startEngine &&
      startClickHouse(
        dir,
        { http, tcp },
        {
          users: options.clickhouseUsers,
          memoryBytes: membership.memoryBytes,
          guarded: options.guarded === true,
        },
        remembering((process) => ({ ...state, clickhouse: { ...state.clickhouse, process } })),
        timeoutMs,
      ),
  ]);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    // What this start has started goes again: half a stack is of no use, and would hide the failure.
    if (!upPostgres) await stopPostgres(state.postgres.process);
    if (startEngine) await stopClickHouse(state.clickhouse.process);
    throw failed.reason;
  }
  return state;
}

async function portsFor(
  options: EmbeddedOptions,
  known: StackState | undefined,
  upPostgres: boolean,
  upClickHouse: boolean,
): Promise<readonly [number, number, number]> {
  const { ports } = options;
  const wanted = [
    ports?.postgres ?? known?.postgres.port,
    ports?.http ?? known?.clickhouse.http,
    ports?.tcp ?? known?.clickhouse.tcp,
  ];
  const asked = [upPostgres ? undefined : ports?.postgres, ...(upClickHouse ? [] : [ports?.http, ports?.tcp])];
  const chosen = await choosePorts(wanted);
  for (const port of asked) {
    if (port !== undefined && !chosen.includes(port)) {
      throw new RefillError('EMBEDDED_FAILED', `port ${port} of ${LOOPBACK} is in use`);
    }
  }
  const [postgres = 0, http = 0, tcp = 0] = chosen;
  return [postgres, http, tcp];
}

/** How a stack's Postgres is reached. */
export function postgresOf(dir: string, state: StackState): EmbeddedInfo['postgres'] {
  const password = readPassword({ passwordFile: passwordFile(dir) });
  const { port } = state.postgres;
  const url = `postgres://${POSTGRES_USER}:${password}@${LOOPBACK}:${port}/${LEDGER_DATABASE}`;
  return { host: LOOPBACK, port, user: POSTGRES_USER, password, url };
}

/** How a stack's engine is reached. */
export function clickhouseOf(dir: string, state: StackState): EmbeddedInfo['clickhouse'] {
  const { name: user, password } = ownerOf(dir) ?? { name: 'default', password: '' };
  return { http: `http://${LOOPBACK}:${state.clickhouse.http}`, tcp: state.clickhouse.tcp, user, password };
}

export function runs(server: { readonly process?: ProcessRef }): boolean {
  return server.process !== undefined && isRunning(server.process);
}

async function stopPostgres(process: ProcessRef | undefined): Promise<'postgres' | undefined> {
  if (process === undefined || !isRunning(process)) return undefined;
  // Fast shutdown, then immediate (recovery at the next start). SIGKILL would leave its children behind for a while.
  const ended = await end(process, [
    ['SIGINT', 20_000],
    ['SIGQUIT', 10_000],
    ['SIGKILL', 5000],
  ]);
  if (!ended) throw new RefillError('EMBEDDED_FAILED', `Postgres (pid ${process.pid}) does not end`);
  return 'postgres';
}

async function stopClickHouse(process: ProcessRef | undefined): Promise<'clickhouse' | undefined> {
  if (process === undefined || !isRunning(process)) return undefined;
  const ended = await end(process, [
    ['SIGTERM', 10_000],
    ['SIGKILL', 5000],
  ]);
  if (!ended) throw new RefillError('EMBEDDED_FAILED', `the ClickHouse engine (pid ${process.pid}) does not end`);
  return 'clickhouse';
}

function configPorts(state: StackState): { postgres: number; http: number } {
  return { postgres: state.postgres.port, http: state.clickhouse.http };
}

function infoOf(dir: string, state: StackState): EmbeddedInfo {
  return {
    dir,
    config: configPath(dir),
    postgres: postgresOf(dir, state),
    clickhouse: clickhouseOf(dir, state),
    dashboard: null,
    pids: { postgres: state.postgres.process?.pid ?? 0, clickhouse: state.clickhouse.process?.pid ?? 0 },
  };
}
