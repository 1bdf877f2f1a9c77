import { Command } from '@commander-js/extra-typings';

import type { PlanRequest } from '../../domain/requests.ts';
import type { Strategy } from '../../domain/words.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { parseNames, parseRange, parseTenant } from '../parse.ts';
import { withRefill } from '../session.ts';
import { commandLine } from '../shell.ts';

/** What a plan is asked for on the command line. */
export interface PlanOptions {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly dataset?: string | undefined;
  readonly cluster?: string | undefined;
  readonly strategy?: Strategy | undefined;
  readonly tables?: string | undefined;
}

/** The command line as a request; throws before anything is opened. */
export function planRequest(tenant: string, options: PlanOptions): PlanRequest {
  return {
    tenant: parseTenant(tenant),
    range: parseRange(options.from, options.to),
    ...option.where(options),
    ...(options.strategy === undefined ? {} : { strategy: options.strategy }),
    ...(options.tables === undefined ? {} : { tables: parseNames(options.tables, '--tables') }),
  };
}

/** `refill plan` */
export function planCommand(cli: Cli) {
  return new Command('plan')
    .summary('say what a run would do, with counts, SQL and cost')
    .description(
      'Says what a run would do, with counts, windows, SQL and cost, and saves it under an id. Nothing is changed.',
    )
    .argument('<tenant>', 'customer/profile')
    .addOption(option.fromOption())
    .addOption(option.toOption())
    .addOption(option.strategyOption())
    .addOption(option.tablesOption())
    .addOption(option.datasetOption())
    .addOption(option.clusterOption())
    .option('--sql', 'show every statement')
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill plan acme/main --from 2026-01-05 --to 2026-01-15', 'ten days, to be replaced without a gap'],
        ['refill plan acme/main --from 2026-01-05 --to 2026-01-06 --strategy purge', 'delete first, then write'],
        [
          'refill plan acme/main --from 2026-01-05T06:00:00Z --to 2026-01-05T18:00:00Z --tables score',
          'twelve hours of one table',
        ],
      ]),
    )
    .action(async (tenant, options) => {
      const request = planRequest(tenant, options);
      await withRefill(cli, options, async (refill) => {
        const plan = await refill.plan(request);
        const { planJson, planView } = await import('../views/plan.ts');
        if (options.json === true) cli.json(planJson(plan));
        else {
          const next = commandLine(['run', plan.id, '--execute'], options);
          cli.print(planView(plan, next, cli.color, { sql: options.sql === true }));
        }
      });
    });
}
