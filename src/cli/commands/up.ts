import { resolve } from 'node:path';

import { Command, Option } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import type { Cli } from '../cli.ts';
import { fillFleet, FLEET_SIZES, isFleetSize, startBox } from '../fleet-box.ts';
import * as option from '../options.ts';
import { parseWhole } from '../parse.ts';
import { fillSample, SAMPLE_SIZES } from '../sample.ts';

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
      if (options.fleet === true) {
        await upFleet(cli, options, seed);
        return;
      }
      if (isFleetSize(size)) {
        throw new RefillError('USAGE', `the sample ${size} is for a fleet`, { hint: 'Add --fleet.' });
      }
      const { startEmbedded } = await import('../../embedded/stack.ts');
      const quiet = options.json === true;
      if (!quiet) cli.note(`Starting Postgres and ClickHouse in ${options.dir} …`);
      const info = await startEmbedded({ dir: resolve(cli.cwd, options.dir) });
      const sample = size === 'none' ? null : await fillSample(cli, info, { size, seed, quiet });
      const temporal = options.temporal === true ? await startTemporal(cli, options.dir) : undefined;
      const { config, postgres, clickhouse, dashboard } = info;
      if (quiet) {
        cli.jsonWithSecrets({
          config,
          postgres,
          clickhouse,
          dashboard,
          ...(temporal === undefined ? {} : { temporal }),
          ...(sample === null ? {} : { sample }),
        });
        return;
      }
      const { upView } = await import('../views/up.ts');
      cli.print(upView(info, sample, options.dir, cli.color));
      if (temporal !== undefined) {
        const lines = ['', `Temporal is at ${temporal.address}. To run over it, add to ${config}:`];
        cli.print([...lines, '', 'executor: temporal', `temporal: { address: '${temporal.address}' }`].join('\n'));
      }
    });
}

async function startTemporal(cli: Cli, dir: string): Promise<{ readonly address: string; readonly namespace: string }> {
  const { upTemporal } = await import('../../embedded/temporal-state.ts');
  const { address, namespace } = await upTemporal(resolve(cli.cwd, dir));
  return { address, namespace };
}

async function upFleet(
  cli: Cli,
  options: { readonly dir: string; readonly sample: string; readonly json?: true | undefined },
  seed: number | null,
): Promise<void> {
  const { sample: size } = options;
  if (size !== 'none' && !isFleetSize(size)) {
    throw new RefillError('USAGE', `the sample ${size} is of one tenant`, {
      hint: `For a fleet: --sample ${FLEET_SIZES.join(' or ')}.`,
    });
  }
  const quiet = options.json === true;
  if (!quiet) cli.note(`Starting a fleet in ${options.dir} …`);
  const dir = resolve(cli.cwd, options.dir);
  const fleet = await startBox(dir, size === 'none' ? null : size);
  const sample = size === 'none' ? null : await fillFleet(cli, fleet, { size, seed, quiet });
  if (quiet) {
    const { config, ledger } = fleet;
    const clusters = fleet.clusters.map(({ name, engine, postgres, clickhouse }) => ({
      name,
      engine,
      postgres,
      clickhouse,
    }));
    cli.jsonWithSecrets({ config, ledger, clusters, dashboard: null, ...(sample === null ? {} : { sample }) });
    return;
  }
  const { fleetView } = await import('../views/fleet-box.ts');
  cli.print(fleetView(fleet, sample, options.dir, cli.color));
}
