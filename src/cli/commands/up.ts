import { resolve } from 'node:path';

import { Command, Option } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import type { EmbeddedTemporal } from '../../embedded/temporal.ts';
import type { Cli } from '../cli.ts';
import { fillFleet, FLEET_SIZES, isFleetSize, startBox } from '../fleet-box.ts';
import * as option from '../options.ts';
import { parseWhole } from '../parse.ts';
import { fillSample, isSampleSize, SAMPLE_SIZES } from '../sample.ts';

/** `refill up` */
export function upCommand(cli: Cli) {
  return new Command('up')
    .summary('start a Postgres and a ClickHouse on this machine')
    .description(
      'Starts a Postgres and a ClickHouse on this machine, on loopback and free ports, with a configuration that points at them. They go on until `refill down`; started again, they have their data.',
    )
    .addOption(option.dirOption())
    .option('--temporal', 'a Temporal server as well, where a `temporal` program is found')
    .option('--fleet', 'a fleet instead: eight clusters, each with a Postgres and a ClickHouse, and a ledger')
    .addOption(
      new Option('--sample <size>', 'fill them with sample data, anew where it is there')
        .choices(['none', ...SAMPLE_SIZES, ...FLEET_SIZES] as const)
        .default('none' as const),
    )
    .addOption(option.seedOption())
    .addOption(new Option('--json', 'print how to reach them as one JSON object, with the password'))
    .addHelpText(
      'after',
      option.examples([
        ['refill up --sample small', 'servers in .refill, with data to try every command on'],
        ['refill up --dir /tmp/try --json', 'empty servers elsewhere, their addresses for a program'],
        ['refill up --fleet --sample fleet --dir /tmp/fleet', '8 clusters, 95 tenants, 6.4 million scores'],
        ['refill up --fleet --sample fleet-small --dir /tmp/fleet', 'a tenth of it: 4 clusters, 12 tenants'],
      ]),
    )
    .action(async (options) => {
      const seed = options.seed === undefined ? null : parseWhole(options.seed, '--seed');
      const { sample: size } = options;
      refuseOtherSample(size, options.fleet === true);
      // First, as it may be that there is no program of it.
      const temporal = options.temporal === true ? await startTemporal(cli, options.dir) : null;
      const up = options.fleet === true ? upFleet : upOne;
      const config = await up(cli, options, seed, temporal);
      if (temporal === null || options.json === true) return;
      const { temporalView } = await import('../views/up.ts');
      cli.print(`\n${temporalView(temporal.address, options.dir === '.refill' ? undefined : config, cli.color)}`);
    });
}

interface UpOptions {
  readonly dir: string;
  readonly sample: string;
  readonly json?: true | undefined;
}

type Temporal = Pick<EmbeddedTemporal, 'address' | 'namespace'>;

function refuseOtherSample(size: string, fleet: boolean): void {
  if (size === 'none' || isFleetSize(size) === fleet) return;
  throw fleet
    ? new RefillError('USAGE', `the sample ${size} is of one tenant`, {
        hint: `For a fleet: --sample ${FLEET_SIZES.join(' or ')}.`,
      })
    : new RefillError('USAGE', `the sample ${size} is for a fleet`, { hint: 'Add --fleet.' });
}

async function startTemporal(cli: Cli, dir: string): Promise<Temporal> {
  const { upTemporal } = await import('../../embedded/temporal-state.ts');
  const { address, namespace } = await upTemporal(resolve(cli.cwd, dir));
  return { address, namespace };
}

/** Returns the configuration's path, as `upFleet` does. */
async function upOne(cli: Cli, options: UpOptions, seed: number | null, temporal: Temporal | null): Promise<string> {
  const { dir, json, sample: size } = options;
  const { startEmbedded } = await import('../../embedded/stack.ts');
  const quiet = json === true;
  if (!quiet) cli.note(`Starting Postgres and ClickHouse in ${dir} …`);
  const info = await startEmbedded({ dir: resolve(cli.cwd, dir), guarded: true });
  const sample = isSampleSize(size) ? await fillSample(cli, info, { size, seed, quiet }) : null;
  const { config, postgres, clickhouse, dashboard } = info;
  if (quiet) {
    cli.jsonWithSecrets({ config, postgres, clickhouse, dashboard, ...known({ temporal, sample }) });
    return config;
  }
  const { upView } = await import('../views/up.ts');
  cli.print(upView(info, sample, dir, cli.color));
  return config;
}

async function upFleet(cli: Cli, options: UpOptions, seed: number | null, temporal: Temporal | null): Promise<string> {
  const { dir, json, sample } = options;
  const size = isFleetSize(sample) ? sample : null;
  const quiet = json === true;
  if (!quiet) cli.note(`Starting a fleet in ${dir} …`);
  const fleet = await startBox(resolve(cli.cwd, dir), size);
  const { config } = fleet;
  const filled = size === null ? null : await fillFleet(cli, fleet, { size, seed, quiet });
  if (quiet) {
    const { ledger } = fleet;
    const clusters = fleet.clusters.map(({ name, engine, postgres, clickhouse }) => ({
      name,
      engine,
      postgres,
      clickhouse,
    }));
    cli.jsonWithSecrets({ config, ledger, clusters, dashboard: null, ...known({ temporal, sample: filled }) });
    return config;
  }
  const { fleetView } = await import('../views/fleet-box.ts');
  cli.print(fleetView(fleet, filled, dir, cli.color));
  return config;
}

/** What there is of some values. */
function known(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}
