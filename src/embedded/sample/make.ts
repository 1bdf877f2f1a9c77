import type { Client } from 'pg';

import { databaseName, type Range, type TenantName } from '../../domain/words.ts';
import type { SampleSpec } from './numbers.ts';
import type { Derivation } from './old-code.ts';
import type { PlantedLedger } from './planted.ts';
import type { SourceTable } from './postgres-schema.ts';
import { SAMPLE_SIZES, type SampleCounts, type SampleSize } from './sizes.ts';
import {
  createDatabase,
  dropWork,
  fillTables,
  finishTables,
  indexTables,
  prepareSource,
  rawRows,
  SAMPLE_MARK,
  withPostgres,
  type PostgresAddress,
  type RawTable,
} from './source.ts';
import { Target, type SampleTarget } from './target.ts';

export interface SampleOptions extends Omit<
  TenantOptions,
  'counts' | 'range' | 'mark' | 'customer' | 'profile' | 'seed'
> {
  readonly size: SampleSize;
  /** The same seed gives the same bytes. Default 1. */
  readonly seed?: number;
  /** Default `acme-air` and `us-east`. */
  readonly customer?: string;
  readonly profile?: string;
}

export interface TenantOptions extends TenantName {
  readonly postgres: PostgresAddress;
  readonly clickhouse: SampleTarget;
  readonly counts: SampleCounts;
  readonly range: Range;
  readonly seed: number;
  /** Kept with the databases after the words that mark a sample. */
  readonly mark: string;
  /**
   * Whether `scorecard_score` is filled. Default: only for the sample `small`. It repeats the largest table, so that `tenant` would
   * take a third longer and a third more disk, and some tenants have it empty: both cases should be met.
   */
  readonly denormalised?: boolean;
  /** Whether the target is made wrong, as the old code left it. Default true; false: it is all right. */
  readonly wrong?: boolean;
  /**
   * `stopped` leaves merges stopped on the target's tables (until the server restarts), so that planted duplicates stay
   * as they were counted; mutations do not run then either. Default `running`.
   */
  readonly merges?: 'running' | 'stopped';
  /** Replaces a sample of this name. What is not a sample is never replaced. Default false. */
  readonly replace?: boolean;
  readonly onProgress?: (what: string) => void;
}

/** A tenant that was made. */
export interface SampleTenant {
  readonly customer: string;
  readonly profile: string;
  /** Its name on both sides. */
  readonly database: string;
  readonly seed: number;
  /** What a clean-up of everything would name. */
  readonly range: Range;
  /** What the source holds, exactly. */
  readonly counts: SampleCounts;
  readonly denormalised: boolean;
  /** For tests: what a comparison has to find. */
  readonly planted: PlantedLedger;
  readonly durationMs: number;
}

export interface Sample extends SampleTenant {
  readonly size: SampleSize;
}

/** Makes a sample of one tenant. */
export async function makeSample(options: SampleOptions): Promise<Sample> {
  const { size, seed = 1, customer = 'acme-air', profile = 'us-east', denormalised = size === 'small' } = options;
  const tenant = await makeTenant({
    ...options,
    ...SAMPLE_SIZES[size],
    customer,
    profile,
    seed,
    denormalised,
    mark: `${size}, seed ${seed}`,
  });
  return { ...tenant, size };
}

/** Makes one tenant on both sides: a source that is right, and a target as the old code left it. */
export async function makeTenant(options: TenantOptions): Promise<SampleTenant> {
  const startedAt = Date.now();
  const { customer, profile, counts, range, seed, denormalised = false, onProgress = () => undefined } = options;
  const database = databaseName({ customer, profile });
  const mark = `${SAMPLE_MARK}: ${options.mark}`;

  const spec = { customer, profile, counts, range, seed };
  const target = new Target(options.clickhouse, database);
  await createDatabase(options.postgres, database, mark, options.replace === true);
  await target.create(mark, options.replace === true);
  try {
    await target.startStaging(seed);
    const derivation = { ...spec, agents: counts.agents, wrong: options.wrong !== false };
    await makeBothSides(options.postgres, database, spec, target, derivation, denormalised, onProgress);
    const planted = await target.planted(denormalised);
    if (options.merges !== 'stopped') await target.startMerges();
    const durationMs = Date.now() - startedAt;
    return { customer, profile, database, seed, range, counts, denormalised, planted, durationMs };
  } finally {
    await target.dropStaging();
  }
}

/**
 * Three connections at work at once, since there are two cores at least: one makes and indexes the scores, one the other
 * tables, and one copies what is ready over to the target.
 */
async function makeBothSides(
  postgres: PostgresAddress,
  database: string,
  spec: SampleSpec,
  target: Target,
  derivation: Derivation,
  denormalised: boolean,
  onProgress: (what: string) => void,
): Promise<void> {
  const connected = <T>(work: (client: Client) => Promise<T>) => withPostgres(postgres, database, work);
  await connected(async (scores) => {
    await connected(async (others) => {
      await connected(async (reader) => {
        onProgress('source: numbers');
        await prepareSource(scores, spec);
        const onStep = (what: string) => onProgress(`source: ${what}`);
        const othersFilled = fillTables(others, spec, OTHER_TABLES, onStep);
        const scoresFilled = fillTables(scores, spec, ['scores'], onStep);
        const copied = (async () => {
          await othersFilled;
          for (const table of RAW_OTHERS) await target.stage(table, rawRows(reader, table));
          await target.deriveCards(derivation);
          await scoresFilled;
          onProgress('target: scores');
          await target.stage('raw_score', rawRows(reader, 'raw_score'));
        })();
        const filled = (async () => {
          await copied;
          onProgress('target: rows');
          await target.deriveScores(derivation);
          await target.fill(denormalised);
        })();
        const indexed = [
          othersFilled.then(() => indexTables(others, OTHER_TABLES)),
          scoresFilled.then(() => indexTables(scores, ['scores'])),
        ];
        const finished = (async () => {
          await allOrFirstError([copied, ...indexed]);
          onProgress('source: statistics');
          await allOrFirstError([finishTables(others, OTHER_TABLES), finishTables(scores, ['scores'])]);
          await dropWork(others);
        })();
        await allOrFirstError([filled, finished]);
      });
    });
  });
}

/** Waits for all, so that no connection is closed under one that is still at work. */
async function allOrFirstError(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

const OTHER_TABLES: readonly SourceTable[] = ['users', 'templates', 'chats', 'scorecards'];
const RAW_OTHERS: readonly RawTable[] = ['raw_user', 'raw_template', 'raw_chat', 'raw_card'];
