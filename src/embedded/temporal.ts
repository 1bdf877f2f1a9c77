import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { RefillError } from '../domain/errors.ts';
import { launchAttached } from './guardian.ts';
import { LOOPBACK } from './info.ts';
import { launchDetached } from './launcher.ts';
import { freePort } from './ports.ts';
import { end, isRunning, type ProcessRef } from './process.ts';
import { temporalBinary } from './temporal-binary.ts';

/** A Temporal server on this machine. */
export interface EmbeddedTemporal {
  readonly process: ProcessRef;
  /** `host:port` */
  readonly address: string;
  readonly namespace: string;
}

export interface TemporalOptions {
  /** Where its database and its log lie; started again there it has its workflows. */
  readonly dir: string;
  readonly namespace: string;
  /** Default: a free one. */
  readonly port?: number;
  /** It ends with this process, however that ends. Default false: it stays until `stopTemporal`. */
  readonly attached?: boolean;
  /** Of its dynamic configuration, what is to be other than it is by itself. */
  readonly dynamicConfig?: Readonly<Record<string, number>>;
}

/** It is serving in under a second, on a busy machine in some. */
const PATIENCE_MS = 60_000;

/**
 * Starts a development server of Temporal, without its web UI. It goes on until `stopTemporal`.
 *
 * @throws RefillError `TEMPORAL_MISSING` where there is no `temporal` program, `EMBEDDED_FAILED` where it does not start.
 */
export async function startTemporal({
  dir,
  namespace,
  port,
  attached = false,
  dynamicConfig = {},
}: TemporalOptions): Promise<EmbeddedTemporal> {
  const binary = temporalBinary();
  if (binary === null) {
    throw new RefillError('TEMPORAL_MISSING', 'there is no `temporal` program on the PATH or in the cache');
  }
  await mkdir(dir, { recursive: true });
  const own = port ?? (await freePort(new Set()));
  const log = join(dir, 'temporal.log');
  const args = ['server', 'start-dev', '--headless', '--ip', LOOPBACK, '--port', String(own), '--namespace', namespace];
  const file = ['--db-filename', join(dir, 'temporal.sqlite'), '--log-level', 'error'];
  const dynamic = Object.entries(dynamicConfig).flatMap(([key, value]) => [
    '--dynamic-config-value',
    `${key}=${value}`,
  ]);
  const launch = attached ? launchAttached() : launchDetached;
  const ref = await launch({ file: binary, args: [...args, ...file, ...dynamic], cwd: dir, log });
  if (!(await answers(ref, own))) {
    await end(ref, [['SIGKILL', 5000]]);
    throw new RefillError('EMBEDDED_FAILED', `Temporal did not start; its log is ${log}`, { details: { log } });
  }
  return { process: ref, address: `${LOOPBACK}:${own}`, namespace };
}

/** Ends exactly that server. */
export async function stopTemporal({ process: ref }: Pick<EmbeddedTemporal, 'process'>): Promise<boolean> {
  return end(ref, [
    ['SIGTERM', 10_000],
    ['SIGKILL', 5_000],
  ]);
}

async function answers(ref: ProcessRef, port: number): Promise<boolean> {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline && isRunning(ref)) {
    if (await accepts(port)) return true;
    await sleep(50);
  }
  return false;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: LOOPBACK });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
