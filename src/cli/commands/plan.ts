import { Command } from '@commander-js/extra-typings';

import type { Cli } from '../cli.ts';
import { planFleet } from '../fleet.ts';
import * as option from '../options.ts';
import { parseRequest } from '../request.ts';
import { withRefill } from '../session.ts';
import { commandLine } from '../shell.ts';
import { confirmWords } from '../confirm.ts';

/** `refill plan` */
export function planCommand(cli: Cli) {
  return new Command('plan')
    .summary('say what a run would do, with counts, SQL and cost')
    .description(
      'Says what a run would do, with counts, windows, SQL and cost, and saves it under an id. Nothing is changed. Several tenants, --cluster or --all make a fleet: a plan for each tenant, under one id.',
    )
    .argument('[tenants...]', 'customer/profile')
    .addOption(option.fromOption())
    .addOption(option.toOption())
    .addOption(option.allOption())
    .addOption(option.clustersOption())
    .addOption(option.excludeOption())
    .addOption(option.priorityOption())
    .addOption(option.onlyOption())
    .addOption(option.idsOption())
    .addOption(option.strategyOption())
    .addOption(option.dependentOption())
    .addOption(option.tablesOption())
    .addOption(option.datasetOption())
    .option('--sql', 'show every statement (of one tenant)')
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
        ['refill plan acme/main --from 2026-01-05 --to 2026-01-15 --only process', 'only process scorecards'],
        ['refill plan acme/main --ids card-1,card-2', 'two scorecards with their scores, wherever they lie'],
        [
          'refill plan acme/main --from 2026-01-05 --to 2026-01-15 --dependent score_hourly=bypass',
          'ten days, without a materialized view counting them again',
        ],
        ['refill plan --all --from 2026-01-05 --to 2026-01-15 --exclude acme/test', 'every tenant but one'],
        [
          'refill plan --cluster east,west --from 2026-01-05 --to 2026-01-15 --priority acme/main=10',
          'two clusters, one tenant first, then small ones first',
        ],
      ]),
    )
    .action(async (tenants, options) => {
      const asked = parseRequest(tenants, options);
      await withRefill(cli, options, async (refill, { limits }) => {
        if (asked.of === 'fleet') {
          await planFleet(cli, refill, asked.request, limits, options);
          return;
        }
        const plan = await (asked.of === 'ids' ? refill.planIds(asked.request) : refill.plan(asked.request));
        const { planJson, planView } = await import('../views/plan.ts');
        if (options.json === true) cli.json(planJson(plan));
        else {
          const confirm = confirmWords(plan.cost.rowsToDelete, limits);
          const next = commandLine(['run', plan.id, '--execute', ...confirm], options);
          cli.print(planView(plan, next, cli.color, { sql: options.sql === true }));
        }
      });
    });
}
