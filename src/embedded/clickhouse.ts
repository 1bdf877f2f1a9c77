import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { RefillError } from '../domain/errors.ts';
import { authorization, clickhousePasswordFile, ownerOf, type Owner } from './clickhouse-access.ts';
import { serverConfig, usersConfig, type ClickHouseFiles } from './clickhouse-config.ts';
import { LOOPBACK, type ClickHouseUser } from './info.ts';
import type { Launch } from './launcher.ts';
import { clickhousePackage } from './packages.ts';
import { ensurePassword } from './postgres.ts';
import { isRunning, type ProcessRef } from './process.ts';
import { logTail } from './tail.ts';

/**
 * The process around the engine: libchdb.so holds ClickHouse's own HTTP and TCP servers, `query_stable_v2` is the
 * entry point of clickhouse-local, and SYSTEM START LISTEN starts the servers; the endless query keeps them up. The
 * call blocks its thread for ever, so nothing else can run in this process. Plain CommonJS in a file of its own, so
 * that it runs the same from source and from dist.
 */
const ENGINE = `// Written by Refill at every start.
'use strict';
const [ffi, library, ...args] = process.argv.slice(2);
const { open, load, DataType } = require(ffi);
// Its logs and data quote statements and rows.
process.umask(0o077);
try {
  open({ library: 'chdb', path: library });
  load({
    library: 'chdb',
    funcName: 'query_stable_v2',
    retType: DataType.External,
    paramsType: [DataType.I32, DataType.StringArray],
    paramsValue: [args.length, args],
  });
  console.error('the engine ended by itself: see its log');
} catch (error) {
  console.error('the engine could not be called: ' + error.message);
}
process.exit(1);
`;

/** The statement that is the engine's life. */
export const LISTEN_FOR_EVER =
  'SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; ' +
  'SELECT sleepEachRow(3) FROM numbers(100000000) SETTINGS max_block_size = 1, max_threads = 1 FORMAT Null';

/** Starts the engine and waits until it answers over HTTP. */
export async function startClickHouse(
  dir: string,
  ports: { readonly http: number; readonly tcp: number },
  options: {
    readonly users: readonly ClickHouseUser[] | undefined;
    readonly memoryBytes: number | undefined;
    readonly guarded: boolean;
  },
  launch: Launch,
  timeoutMs: number,
): Promise<ProcessRef> {
  const { ffi, library } = clickhousePackage();
  const home = join(dir, 'clickhouse');
  const files: ClickHouseFiles = {
    log: join(dir, 'logs', 'clickhouse.log'),
    errorLog: errorLog(dir),
    users: join(home, 'users.xml'),
  };
  await mkdir(home, { recursive: true, mode: 0o700 });
  await forgetSystemTables(home);
  const config = join(home, 'config.xml');
  const engine = join(home, 'engine.cjs');
  if (options.guarded) await ensurePassword(clickhousePasswordFile(dir));
  // One that was guarded before stays so.
  const owner = ownerOf(dir);
  await writeFile(config, serverConfig(files, ports, options.memoryBytes, owner), { mode: 0o600 });
  await writeFile(engine, ENGINE, { mode: 0o600 });
  const { users } = options;
  if (users !== undefined || owner !== undefined || !existsSync(files.users)) {
    await writeFile(files.users, usersConfig(users ?? [], owner), { mode: 0o600 });
  }
  const server = await launch({
    file: process.execPath,
    args: [
      engine,
      ffi,
      library,
      'clickhouse',
      `--config-file=${config}`,
      `--path=${join(home, 'data')}`,
      // The level in config.xml is not heeded, this one is.
      '--log-level=information',
      '--mutations_sync=0',
      '-q',
      // The native protocol would ask `default` for no password, and a wrong one ends the engine.
      owner === undefined ? LISTEN_FOR_EVER : LISTEN_FOR_EVER.replace('SYSTEM START LISTEN TCP; ', ''),
    ],
    cwd: home,
    log: outputLog(dir),
  });
  await waitUntilReady(server, logsOf(dir), ports.http, timeoutMs, owner);
  return server;
}

/** Whether this server answers; waits for one that is starting, and says false for one that has ended or just does. */
export async function clickhouseAnswers(
  server: ProcessRef,
  dir: string,
  http: number,
  timeoutMs: number,
): Promise<boolean> {
  try {
    await waitUntilReady(server, logsOf(dir), http, timeoutMs, ownerOf(dir));
    return true;
  } catch (error) {
    if (!isRunning(server)) return false;
    throw error;
  }
}

const outputLog = (dir: string) => join(dir, 'logs', 'clickhouse.out');
const errorLog = (dir: string) => join(dir, 'logs', 'clickhouse.error.log');
const logsOf = (dir: string) => [outputLog(dir), errorLog(dir)];

/**
 * query_log and part_log of the run before: the engine forgets the tables but finds their directories, fails to make
 * them, and tries again without a pause.
 */
export async function forgetSystemTables(home: string): Promise<void> {
  for (const kind of ['data', 'metadata']) {
    await rm(join(home, 'data', kind, 'system'), { recursive: true, force: true });
  }
}

/** Waits until the engine answers over HTTP; the error of one that does not has the end of its logs. */
export async function waitUntilReady(
  server: ProcessRef,
  logs: readonly string[],
  http: number,
  timeoutMs: number,
  owner?: Owner,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (isRunning(server) && Date.now() < deadline) {
    if (await answers(http, owner)) return;
    await sleep(20);
  }
  const what = isRunning(server) ? `did not answer in ${timeoutMs} ms` : 'ended at once';
  throw new RefillError('EMBEDDED_FAILED', `the ClickHouse engine ${what}; its logs are ${logs.join(' and ')}`, {
    details: { log: logs.map((log) => logTail(log)).join('\n') },
  });
}

async function answers(http: number, owner: Owner | undefined): Promise<boolean> {
  try {
    const response = await fetch(`http://${LOOPBACK}:${http}/?query=SELECT%201`, {
      signal: AbortSignal.timeout(2000),
      headers: owner === undefined ? {} : { authorization: authorization(owner) },
    });
    return response.ok && (await response.text()) === '1\n';
  } catch {
    return false;
  }
}
