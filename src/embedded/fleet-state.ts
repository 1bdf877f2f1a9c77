import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { RefillError } from '../domain/errors.ts';
import { FLEET_CLUSTERS } from './fleet-clusters.ts';
import { writeWhole } from './state.ts';

const Name = z.enum(FLEET_CLUSTERS);
const State = z.object({
  version: z.literal(1),
  clusters: z.array(
    z.object({
      name: Name,
      /** The cluster whose engine it uses. */
      engine: Name,
      /** The tenants of the sample, where the cluster shares its engine: they cannot be discovered then. */
      tenants: z.array(z.object({ customer: z.string(), profile: z.string() })).exactOptional(),
    }),
  ),
});

/** `fleet.json`: which clusters a directory has. Each has a directory and a state of its own. */
export type FleetState = z.infer<typeof State>;

const fileOf = (dir: string) => join(dir, 'fleet.json');

/** Whether a fleet is in `dir`, running or not. */
export function hasFleet(dir: string): boolean {
  return existsSync(fileOf(dir));
}

export async function readFleetState(dir: string): Promise<FleetState | undefined> {
  if (!hasFleet(dir)) return undefined;
  try {
    return State.parse(JSON.parse(await readFile(fileOf(dir), 'utf8')));
  } catch (cause) {
    throw new RefillError('EMBEDDED_FAILED', `${fileOf(dir)} cannot be read`, { cause });
  }
}

export async function writeFleetState(dir: string, state: FleetState): Promise<void> {
  await writeWhole(fileOf(dir), state);
}
