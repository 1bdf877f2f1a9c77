import { resolve } from 'node:path';

import { Command } from '@commander-js/extra-typings';

import type { Cli } from '../cli.ts';
import * as option from '../options.ts';

/** `refill down` */
export function downCommand(cli: Cli) {
  return new Command('down')
    .summary('stop the servers of `refill up`')
    .description(
      'Stops the servers of `refill up`. Their data stays: `refill up` starts them again with it; to forget it, remove the directory.',
    )
    .addOption(option.dirOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill down', 'stop the servers in .refill'],
        ['refill down --dir /tmp/try && rm -r /tmp/try', 'stop these and forget their data'],
      ]),
    )
    .action(async (options) => {
      const { stopEmbedded } = await import('../../embedded/stack.ts');
      const { hasFleet } = await import('../../embedded/fleet-state.ts');
      const dir = resolve(cli.cwd, options.dir);
      if (hasFleet(dir)) {
        await downFleet(cli, dir, options);
        return;
      }
      const { downTemporal } = await import('../../embedded/temporal-state.ts');
      const temporal = await downTemporal(dir);
      const servers = (await stopEmbedded(dir)).stopped;
      const stopped = [...servers, ...(temporal ? (['temporal'] as const) : [])];
      if (options.json === true) {
        cli.json({ stopped });
        return;
      }
      const names = { postgres: 'Postgres', clickhouse: 'ClickHouse', temporal: 'Temporal' };
      cli.print(
        stopped.length === 0
          ? `No servers were running in ${options.dir}.`
          : `Stopped ${stopped.map((name) => names[name]).join(' and ')} in ${options.dir}.`,
      );
    });
}

async function downFleet(
  cli: Cli,
  dir: string,
  options: { readonly dir: string; readonly json?: true | undefined },
): Promise<void> {
  const { stopFleet } = await import('../../embedded/fleet.ts');
  const fleet = await stopFleet(dir);
  const of = (server: 'postgres' | 'clickhouse') => fleet.filter(({ stopped }) => stopped.includes(server)).length;
  const [postgres, clickhouse] = [of('postgres'), of('clickhouse')];
  if (options.json === true) {
    const stopped = [...(postgres > 0 ? ['postgres'] : []), ...(clickhouse > 0 ? ['clickhouse'] : [])];
    cli.json({ stopped, fleet });
    return;
  }
  cli.print(
    fleet.length === 0
      ? `No servers were running in ${options.dir}.`
      : `Stopped the fleet in ${options.dir}: ${postgres} Postgres and ${clickhouse} ClickHouse.`,
  );
}
