import { dirname, resolve } from 'node:path';

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
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill down', 'stop the servers in .refill'],
        ['refill down --dir /tmp/try && rm -r /tmp/try', 'stop these and forget their data'],
      ]),
    )
    .action(async ({ config, ...given }) => {
      // The configuration that `refill up` wrote lies beside the servers' data.
      const options = { ...given, dir: config === undefined ? given.dir : dirname(config) };
      const { stopEmbedded } = await import('../../embedded/stack.ts');
      const { hasFleet } = await import('../../embedded/fleet-state.ts');
      const dir = resolve(cli.cwd, options.dir);
      const { downTemporal } = await import('../../embedded/temporal-state.ts');
      const temporal = await downTemporal(dir);
      if (hasFleet(dir)) {
        await downFleet(cli, dir, options, temporal);
        return;
      }
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
          : `Stopped ${listed(stopped.map((name) => names[name]))} in ${options.dir}.`,
      );
    });
}

async function downFleet(
  cli: Cli,
  dir: string,
  options: { readonly dir: string; readonly json?: true | undefined },
  temporal: boolean,
): Promise<void> {
  const { stopFleet } = await import('../../embedded/fleet.ts');
  const fleet = await stopFleet(dir);
  const of = (server: 'postgres' | 'clickhouse') => fleet.filter(({ stopped }) => stopped.includes(server)).length;
  const [postgres, clickhouse] = [of('postgres'), of('clickhouse')];
  if (options.json === true) {
    const numbers = { postgres, clickhouse, temporal: Number(temporal) };
    const stopped = Object.entries(numbers).flatMap(([server, number]) => (number > 0 ? [server] : []));
    cli.json({ stopped, fleet });
    return;
  }
  const servers = [`${postgres} Postgres`, `${clickhouse} ClickHouse`, ...(temporal ? ['Temporal'] : [])];
  cli.print(
    fleet.length === 0 && !temporal
      ? `No servers were running in ${options.dir}.`
      : `Stopped the fleet in ${options.dir}: ${listed(servers)}.`,
  );
}

/** `a, b and c` */
function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
