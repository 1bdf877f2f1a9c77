import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join, resolve } from 'node:path';

import { RefillError } from '../domain/errors.ts';
import type { TenantName } from '../domain/words.ts';
import { configPath, configText, keepConfig, type ConfigCluster, type MovedPorts } from './config-file.ts';
import { chooseEngines, enginesFor, FLEET_CLUSTERS, type FleetClusterName } from './fleet-clusters.ts';
import { readFleetState, writeFleetState, type FleetState } from './fleet-state.ts';
import { launchAttached } from './guardian.ts';
import type { EmbeddedInfo } from './info.ts';
import { launchDetached, type Launch } from './launcher.ts';
import { postgresPlace, type PostgresPlace } from './postgres.ts';
import { clickhouseOf, postgresOf, removeEmbedded, runs, startServers, stopEmbedded } from './stack.ts';
import { readState, withLock, type StackState } from './state.ts';
import { letPass } from './unprivileged.ts';

/**
 * A fleet in a box: several clusters on this machine, and a ledger apart from them. Each cluster has a Postgres of its
 * own, as it is in production: with one for all, `discover` would find every tenant on every cluster, and a Postgres is
 * small beside an engine. Each has an engine of its own where memory allows; see `chooseEngines`.
 */
export interface FleetInfo {
  /** The directory of the fleet, absolute. */
  readonly dir: string;
  readonly config: string;
  /** The Postgres of the ledger. */
  readonly ledger: EmbeddedInfo['postgres'];
  readonly clusters: readonly FleetCluster[];
}

export interface FleetCluster {
  readonly name: FleetClusterName;
  /** The cluster whose engine it uses: itself, where memory allows. */
  readonly engine: FleetClusterName;
  readonly postgres: EmbeddedInfo['postgres'];
  readonly clickhouse: EmbeddedInfo['clickhouse'];
  readonly pids: EmbeddedInfo['pids'];
}

export interface FleetOptions {
  readonly dir: string;
  /** Clusters that it has to have, beside those that it has. Default: all, for a new fleet. */
  readonly clusters?: readonly FleetClusterName[];
  /** At most so many engines. Default: as many as the memory that is available is enough for. */
  readonly engines?: number;
  /** As of a single stack. */
  readonly attached?: boolean;
  readonly temporary?: boolean;
  readonly timeoutMs?: number;
  readonly guarded?: boolean;
}

/** What `stopFleet` has stopped of one cluster, or of the ledger. */
export interface FleetStopped {
  readonly name: FleetClusterName | 'ledger';
  readonly stopped: readonly ('postgres' | 'clickhouse')[];
}

const LEDGER = 'ledger';

interface Member {
  readonly name: FleetClusterName | typeof LEDGER;
  readonly dir: string;
  readonly engine: boolean;
}

/** Starts what does not run of a fleet, all at once. */
export async function startFleet(options: FleetOptions): Promise<FleetInfo> {
  const dir = resolve(options.dir);
  if (existsSync(join(dir, 'state.json'))) {
    throw new RefillError('USAGE', `${options.dir} holds a single Postgres and ClickHouse, and no fleet`, {
      hint: 'Name another directory with --dir.',
    });
  }
  await mkdir(join(dir, 'clusters'), { recursive: true });
  return await withLock(dir, async () => {
    const before = await readFleetState(dir);
    const wanted = options.clusters ?? (before === undefined ? FLEET_CLUSTERS : []);
    const state = withClusters(before, wanted, options.engines);
    // Before anything starts, so that even a start that is killed leaves its places known.
    await writeFleetState(dir, state);
    const members = membersOf(dir, state);
    const moved = await startMembers(dir, members, options);
    await writeFleetConfig(dir, state, moved);
    return await infoOf(dir, state);
  });
}

/** What runs in `dir`, or undefined where not all of it does. */
export async function fleetInfo(dir: string): Promise<FleetInfo | undefined> {
  const path = resolve(dir);
  const state = await readFleetState(path);
  if (state === undefined) return undefined;
  for (const member of membersOf(path, state)) {
    const own = await readState(member.dir);
    if (own === undefined || !runs(own.postgres) || (member.engine && !runs(own.clickhouse))) return undefined;
  }
  return await infoOf(path, state);
}

/** Ends all servers of a fleet at once, data and ports kept. Says which ones ran. */
export async function stopFleet(dir: string): Promise<readonly FleetStopped[]> {
  const path = resolve(dir);
  const state = await readFleetState(path);
  if (state === undefined) return [];
  return await withLock(path, async () => {
    const stopping = membersOf(path, state).map(async (member): Promise<FleetStopped> => ({
      name: member.name,
      ...(await stopEmbedded(member.dir)),
    }));
    return (await allOrFirst(stopping)).filter(({ stopped }) => stopped.length > 0);
  });
}

/** Ends all servers and removes the directory, and the data of a Postgres where it had to be elsewhere. */
export async function removeFleet(dir: string): Promise<void> {
  const path = resolve(dir);
  const state = await readFleetState(path);
  if (state !== undefined) await allOrFirst(membersOf(path, state).map((member) => removeEmbedded(member.dir)));
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

/**
 * Remembers the tenants of a sample, and lists them in the configuration where clusters with data share an engine:
 * there, a cluster would discover the others' databases too.
 */
export async function rememberTenants(
  dir: string,
  tenants: readonly (TenantName & { readonly cluster: string })[],
): Promise<void> {
  const path = resolve(dir);
  await withLock(path, async () => {
    const state = await readFleetState(path);
    if (state === undefined) return;
    const clusters = state.clusters.map(({ name, engine }) => {
      const shared = state.clusters.some((other) => other.name !== name && other.engine === engine);
      const own = tenants.filter(({ cluster }) => cluster === name);
      return {
        name,
        engine,
        ...(shared && own.length > 0 ? { tenants: own.map(({ customer, profile }) => ({ customer, profile })) } : {}),
      };
    });
    const next: FleetState = { ...state, clusters };
    await writeFleetState(path, next);
    await writeFleetConfig(path, next, { postgres: new Map(), http: new Map() });
  });
}

function withClusters(
  before: FleetState | undefined,
  wanted: readonly FleetClusterName[],
  engines: number | undefined,
): FleetState {
  const known = before?.clusters ?? [];
  const own = known.filter(({ name, engine }) => name === engine).length;
  // Those that are there may be running, and are then no longer in what is available.
  const most = engines ?? own + enginesFor(process.availableMemory());
  const chosen = chooseEngines(known, wanted, most);
  const clusters = chosen.map((choice) => known.find(({ name }) => name === choice.name) ?? choice);
  return { version: 1, clusters };
}

function membersOf(dir: string, state: FleetState): readonly Member[] {
  return [
    { name: LEDGER, dir: join(dir, LEDGER), engine: false },
    ...state.clusters.map(({ name, engine }) => ({ name, dir: clusterDir(dir, name), engine: name === engine })),
  ];
}

const clusterDir = (dir: string, name: FleetClusterName) => join(dir, 'clusters', name);

/** Starts all members; where one fails, those that nothing ran of before are stopped again. */
async function startMembers(dir: string, members: readonly Member[], options: FleetOptions): Promise<MovedPorts> {
  const { attached = false, temporary = false, guarded = false, timeoutMs } = options;
  for (const path of [dir, join(dir, 'clusters')]) await letPass(path);
  const prepared = await allOrFirst(members.map((member) => prepare(member)));
  // One guardian for all: each is a process, and the servers are many.
  const removeAtEnd = temporary ? [...prepared.map(({ place }) => place.data), dir] : [];
  const launch: Launch = attached ? launchAttached(removeAtEnd) : launchDetached;
  const engines = members.filter(({ engine }) => engine).length;
  // Limits and no shares: few engines work at a time.
  const memoryBytes = Math.max(1_500_000_000, Math.floor((0.75 * totalmem()) / Math.max(engines, 1)));
  const moved = { postgres: new Map<number, number>(), http: new Map<number, number>() };
  const starting = prepared.map(async ({ member, place }) => {
    const own = { dir: member.dir, attached, guarded, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    await startServers(own, { engine: member.engine, launch, place, memoryBytes }, async (now, before) => {
      if (before === undefined) return;
      moved.postgres.set(before.postgres.port, now.postgres.port);
      if (member.engine) moved.http.set(before.clickhouse.http, now.clickhouse.http);
    });
  });
  const results = await Promise.allSettled(starting);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined) return moved;
  const fresh = prepared.filter(({ ran }) => !ran);
  await Promise.allSettled(fresh.map(({ member }) => stopEmbedded(member.dir)));
  throw failed.reason;
}

interface Prepared {
  readonly member: Member;
  readonly place: PostgresPlace;
  /** Whether anything of it ran before. */
  readonly ran: boolean;
}

async function prepare(member: Member): Promise<Prepared> {
  await mkdir(member.dir, { recursive: true });
  const known = await readState(member.dir);
  const place = await postgresPlace(member.dir, known?.postgres.data);
  return { member, place, ran: known !== undefined && (runs(known.postgres) || runs(known.clickhouse)) };
}

async function writeFleetConfig(dir: string, state: FleetState, moved: MovedPorts): Promise<void> {
  const ledger = await stateOf(join(dir, LEDGER));
  const clusters: Record<string, ConfigCluster> = {};
  for (const { name, engine, tenants } of state.clusters) {
    const own = clusterDir(dir, name);
    const { postgres } = await stateOf(own);
    const { clickhouse } = await stateOf(clusterDir(dir, engine));
    clusters[name] = {
      postgres: { dir: own, port: postgres.port },
      clickhouse: { dir: clusterDir(dir, engine), http: clickhouse.http },
      ...(tenants === undefined ? {} : { tenants }),
    };
  }
  const text = configText({ dir: join(dir, LEDGER), port: ledger.postgres.port }, clusters);
  await keepConfig(dir, text, moved);
}

async function infoOf(dir: string, state: FleetState): Promise<FleetInfo> {
  const clusters = await Promise.all(
    state.clusters.map(async ({ name, engine }): Promise<FleetCluster> => {
      const own = await stateOf(clusterDir(dir, name));
      const target = await stateOf(clusterDir(dir, engine));
      return {
        name,
        engine,
        postgres: postgresOf(clusterDir(dir, name), own),
        clickhouse: clickhouseOf(clusterDir(dir, engine), target),
        pids: { postgres: own.postgres.process?.pid ?? 0, clickhouse: target.clickhouse.process?.pid ?? 0 },
      };
    }),
  );
  const ledger = join(dir, LEDGER);
  return { dir, config: configPath(dir), ledger: postgresOf(ledger, await stateOf(ledger)), clusters };
}

async function stateOf(dir: string): Promise<StackState> {
  const state = await readState(dir);
  if (state === undefined) throw new RefillError('EMBEDDED_FAILED', `nothing was started in ${dir}`);
  return state;
}

/** Waits for all, then throws the first error: nothing is left at work unseen. */
async function allOrFirst<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(work);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
