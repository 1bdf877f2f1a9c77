import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { RefillError } from '../domain/errors.ts';
import { isFree } from './ports.ts';
import { isRunning } from './process.ts';
import { withLock, writeWhole } from './state.ts';
import { type EmbeddedTemporal, startTemporal, stopTemporal } from './temporal.ts';

const State = z.object({
  process: z.object({ pid: z.number(), started: z.string() }),
  address: z.string(),
  namespace: z.string(),
});

const place = (dir: string) => join(dir, 'temporal');

async function read(dir: string): Promise<EmbeddedTemporal | undefined> {
  const file = join(place(dir), 'state.json');
  if (!existsSync(file)) return undefined;
  try {
    return State.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new RefillError('EMBEDDED_FAILED', `${file} cannot be read`, { cause });
  }
}

/** Starts the Temporal server that belongs to a directory, with the data and the port that it had; one that runs stays. */
export async function upTemporal(dir: string): Promise<EmbeddedTemporal> {
  await mkdir(place(dir), { recursive: true });
  return await withLock(place(dir), async () => {
    const known = await read(dir);
    if (known && isRunning(known.process)) return known;
    const port = Number(known?.address.split(':')[1]);
    const keep = known !== undefined && (await isFree(port));
    const server = await startTemporal({ dir: place(dir), namespace: 'default', ...(keep ? { port } : {}) });
    await writeWhole(join(place(dir), 'state.json'), server);
    return server;
  });
}

/** The one that is up; undefined where none is. */
export async function runningTemporal(dir: string): Promise<EmbeddedTemporal | undefined> {
  const known = await read(dir);
  return known && isRunning(known.process) ? known : undefined;
}

/** Ends it, its data kept. False where none ran. */
export async function downTemporal(dir: string): Promise<boolean> {
  const running = await runningTemporal(dir);
  return running !== undefined && (await stopTemporal(running));
}
