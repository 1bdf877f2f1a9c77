import { Command } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import { EXIT } from '../../domain/exit.ts';
import type { Survey } from '../../domain/requests.ts';
import type { TenantName } from '../../domain/words.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { parseRange, parseTenant } from '../parse.ts';
import { withRefill } from '../session.ts';

/** `refill survey` */
export function surveyCommand(cli: Cli) {
  return new Command('survey')
    .summary('the tenants, and what a range of one holds')
    .description(
      'Without a tenant: the tenants that were found on both sides, by cluster; a cluster that cannot be reached is unknown, and the exit status 1; where none can be, that is an error. With one: what a range of it holds on both sides, by table and day. Nothing is changed.',
    )
    .argument('[tenant]', 'customer/profile')
    .addOption(option.fromOption())
    .addOption(option.toOption())
    .option('--all', 'every tenant; with --from and --to the range of each')
    .option('--untimed', 'count source rows without a time, too, which no range holds')
    .addOption(option.datasetOption())
    .addOption(option.clusterOption('this cluster only'))
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill survey', 'which tenants are there, on which cluster?'],
        ['refill survey acme/main --from 2026-01-05 --to 2026-01-15', 'rows by table and day'],
        ['refill survey --all --from 2026-01-05 --to 2026-01-15', 'rows of every tenant by table (days: --json)'],
      ]),
    )
    .action((tenant, options) => {
      const name = tenant === undefined ? null : parseTenant(tenant);
      const given = options.from !== undefined || options.to !== undefined;
      const ranged = name !== null || (options.all === true && given);
      if (name !== null && options.all === true) {
        throw new RefillError('USAGE', 'a tenant and --all were given', { hint: 'Give one of them.' });
      }
      if (!ranged && given) {
        throw new RefillError('USAGE', 'a range was given, and no tenant', {
          hint: 'Name a tenant as customer/profile, or give --all.',
        });
      }
      const range = ranged ? parseRange(options.from, options.to) : null;
      return withRefill(cli, options, async (refill) => {
        const { clustersView, surveyView, unknownView } = await import('../views/survey.ts');
        const dataset = options.dataset === undefined ? {} : { dataset: options.dataset };
        const ask = (of: TenantName, cluster: { readonly cluster?: string }): Promise<Survey> =>
          refill.survey({
            tenant: { customer: of.customer, profile: of.profile },
            range: range ?? { from: '', to: '' },
            untimed: options.untimed === true,
            ...dataset,
            ...cluster,
          });
        if (name !== null) {
          const survey = await ask(name, option.where({ cluster: options.cluster }));
          if (options.json === true) cli.json(survey);
          else cli.print(surveyView(survey, cli.color));
          return;
        }
        const clusters = options.cluster === undefined ? {} : { clusters: [options.cluster] };
        const found = await refill.tenantsByCluster({ ...dataset, ...clusters });
        const unknown = found.flatMap(({ cluster, error }) => (error === null ? [] : [{ cluster, error }]));
        const [first] = unknown;
        // Nothing is known at all: that is a failure, and says so.
        if (first && unknown.length === found.length) throw new RefillError(first.error.code, first.error.message);
        if (first) cli.exit = EXIT.differences;
        const tenants = found.flatMap((one) => one.tenants);
        if (range === null) {
          if (options.json === true) cli.json({ tenants, unknown });
          else cli.print(clustersView(found, cli.color));
          return;
        }
        const surveys: Survey[] = [];
        const whole = tenants.filter((one) => one.sourceDatabase !== null && one.targetDatabase !== null);
        for (const one of tenants)
          if (!whole.includes(one))
            cli.note(`${one.customer}/${one.profile} is left out: it has a database on one side only.`);
        for await (const survey of refill.surveys({
          tenants: whole,
          range,
          untimed: options.untimed === true,
          ...dataset,
        })) {
          surveys.push(survey);
          if (options.json !== true) cli.print(`${surveyView(survey, cli.color, { days: false })}\n`);
        }
        if (options.json === true) cli.json({ surveys, unknown });
        else if (unknown.length > 0) cli.print(unknownView(unknown, cli.color));
      });
    });
}
