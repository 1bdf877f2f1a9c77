import { resolve } from 'node:path';

import { Argument, Command, Option } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { parseWhole } from '../parse.ts';
import { fillFleet, FLEET_SIZES, isFleetSize, type FleetSize } from '../fleet-box.ts';
import { fillSample, SAMPLE_SIZES, type SampleSize } from '../sample.ts';

const SIZES = [...SAMPLE_SIZES, ...FLEET_SIZES] as const;

/** `refill sample` */
export function sampleCommand(cli: Cli) {
  return new Command('sample')
    .summary('fill the servers of `refill up` with sample data')
    .description(
      'Fills the servers of `refill up` with a tenant whose ClickHouse rows are wrong in every known way. The same seed gives the same data, anew where it is there. small: 30,000 scorecards; tenant: 300,000; shells: two million, of which one in a thousand was ever submitted. For the servers of `refill up --fleet`: fleet, 95 tenants with 730,000 scorecards; fleet-small: 12 with 79,000.',
    )
    .addArgument(
      new Argument(
        '[size]',
        'small, tenant, shells, fleet or fleet-small (default: small, and fleet of a fleet)',
      ).choices(SIZES),
    )
    .addOption(new Option('--size <size>', 'the same').choices(SIZES))
    .addOption(option.dirOption())
    .addOption(option.seedOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill sample', 'the small one, in .refill'],
        ['refill sample tenant --dir /tmp/try --seed 7', 'the large one, elsewhere, with other values'],
        ['refill sample fleet --dir /tmp/fleet', 'all tenants of a fleet, in two minutes'],
      ]),
    )
    .action(async (argument, options) => {
      if (argument !== undefined && options.size !== undefined && argument !== options.size) {
        throw new RefillError('USAGE', `two sizes were given: ${argument} and ${options.size}`, {
          hint: 'Give one of them.',
        });
      }
      const seed = options.seed === undefined ? null : parseWhole(options.seed, '--seed');
      const { hasFleet } = await import('../../embedded/fleet-state.ts');
      const isFleet = hasFleet(resolve(cli.cwd, options.dir));
      const size = argument ?? options.size ?? (isFleet ? 'fleet' : 'small');
      if (isFleetSize(size) !== isFleet) throw misfit(size, isFleet, options.dir);
      if (isFleetSize(size)) await sampleFleet(cli, size, seed, options);
      else await sampleTenant(cli, size, seed, options);
    });
}

interface SampleCommandOptions {
  readonly dir: string;
  readonly json?: true | undefined;
}

function misfit(size: string, isFleet: boolean, dir: string): RefillError {
  return isFleet
    ? new RefillError('USAGE', `the sample ${size} is of one tenant, and ${dir} holds a fleet`, {
        hint: `For a fleet: ${FLEET_SIZES.join(' or ')}.`,
      })
    : new RefillError('USAGE', `the sample ${size} is for a fleet, and there is none in ${dir}`, {
        hint: 'Start one with `refill up --fleet`, with the same --dir.',
      });
}

function notRunning(dir: string, command: string): RefillError {
  return new RefillError('USAGE', `no servers run in ${dir}`, {
    hint: `Start them with \`${command}\`, with the same --dir.`,
  });
}

async function sampleFleet(
  cli: Cli,
  size: FleetSize,
  seed: number | null,
  options: SampleCommandOptions,
): Promise<void> {
  const { fleetInfo } = await import('../../embedded/fleet.ts');
  const fleet = await fleetInfo(resolve(cli.cwd, options.dir));
  if (fleet === undefined) throw notRunning(options.dir, 'refill up --fleet');
  const quiet = options.json === true;
  if (!quiet) cli.note(`Filling in the sample ${size} …`);
  const sample = await fillFleet(cli, fleet, { size, seed, quiet });
  if (quiet) {
    cli.json({ sample });
    return;
  }
  const { fleetSampleView } = await import('../views/fleet-box.ts');
  cli.print(fleetSampleView(fleet, sample, options.dir, cli.color));
}

async function sampleTenant(
  cli: Cli,
  size: SampleSize,
  seed: number | null,
  options: SampleCommandOptions,
): Promise<void> {
  const { embeddedInfo } = await import('../../embedded/stack.ts');
  const info = await embeddedInfo(resolve(cli.cwd, options.dir));
  if (info === undefined) throw notRunning(options.dir, 'refill up');
  const quiet = options.json === true;
  if (!quiet) cli.note(`Filling in the sample ${size} …`);
  const sample = await fillSample(cli, info, { size, seed, quiet });
  if (quiet) {
    cli.json({ sample });
    return;
  }
  const { sampleLine, sampleSteps } = await import('../views/up.ts');
  const { nextView } = await import('../views/result.ts');
  cli.print(`${cli.color.green('✓')} ${sampleLine(sample, cli.color)}`);
  const config = options.dir === '.refill' ? undefined : info.config;
  cli.print(nextView(sampleSteps(sample, config), cli.color));
}
