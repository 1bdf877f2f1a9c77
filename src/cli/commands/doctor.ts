import { Command } from '@commander-js/extra-typings';

import { EXIT } from '../../domain/exit.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { withRefill } from '../session.ts';

/** `refill doctor` */
export function doctorCommand(cli: Cli) {
  return new Command('doctor')
    .summary('check servers, rights, tables and datasets')
    .description(
      'Checks that the servers answer, what their users may do, and that datasets fit the databases. Nothing is changed, but for what --fix names. Exit status 0, or 3 where something would lose data or cannot work.',
    )
    .option('--fix', 'register the search attributes that Temporal lacks')
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill doctor', 'check everything that the configuration names'],
        ['refill doctor && refill run p-7k2m9xq0bd --execute', 'as a gate'],
      ]),
    )
    .action((options) =>
      withRefill(cli, options, async (refill) => {
        const findings = await refill.doctor({ fix: options.fix === true });
        const ok = findings.every(({ level }) => level !== 'error');
        if (!ok) cli.exit = EXIT.refused;
        if (options.json === true) {
          cli.json({ ok, findings });
          return;
        }
        const { doctorView } = await import('../views/doctor.ts');
        cli.print(doctorView(findings, cli.color));
      }),
    );
}
