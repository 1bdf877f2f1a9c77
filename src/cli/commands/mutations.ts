import { Command } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { withRefill } from '../session.ts';
import { commandLine } from '../shell.ts';

/** `refill mutations` */
export function mutationsCommand(cli: Cli) {
  return new Command('mutations')
    .summary('mutations that are not done, and taking back ours')
    .description(
      'Lists the mutations that are not done on the clusters, ours and others’, and says what keeps them. With a run and --execute those of the run are taken back (KILL MUTATION), and no other; `refill resume` sends them again, or `refill retry --execute` if the run has failed.',
    )
    .argument('[run]', 'run whose mutations to list, or to take back')
    .option('--execute', 'take back the unfinished mutations of the run')
    .addOption(option.clusterOption('this cluster only'))
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill mutations', 'what is not done, and why'],
        ['refill mutations r-7k2m9xq0bd --execute', 'take back those of a run'],
      ]),
    )
    .action((run, options) => {
      if (options.execute === true && run === undefined) {
        throw new RefillError('USAGE', '--execute was given, and no run', {
          hint: 'Name the run whose mutations are to be taken back.',
        });
      }
      if (options.execute === true && options.cluster !== undefined) {
        throw new RefillError('USAGE', '--execute and --cluster were given', {
          hint: 'A run is on one cluster: name the run alone.',
        });
      }
      return withRefill(cli, options, async (refill) => {
        const { mutationsView } = await import('../views/mutations.ts');
        if (options.execute === true && run !== undefined) {
          const killed = await refill.killMutations(run);
          if (options.json === true) cli.json({ killed });
          else cli.print(mutationsView(killed, 'taken back', cli.color));
          return;
        }
        // One that the ledger does not know is an error, not a run without mutations.
        const id = run === undefined ? undefined : (await (await refill.ledger()).run(run)).id;
        const all = await refill.mutations(options.cluster === undefined ? {} : { cluster: options.cluster });
        const mutations = id === undefined ? all : all.filter((m) => m.run === id);
        if (options.json === true) {
          cli.json({ mutations });
          return;
        }
        cli.print(mutationsView(mutations, 'not done', cli.color));
        const ours = mutations.find((m) => m.run !== null)?.run;
        if (ours) cli.note(`To take ours back: ${commandLine(['mutations', ours, '--execute'], options)}`);
      });
    });
}
