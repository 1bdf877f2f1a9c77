import { Command } from '@commander-js/extra-typings';

import type { Audience, BackfillPlan, BackfillRequest } from '../../domain/backfill.ts';
import { RefillError } from '../../domain/errors.ts';
import type { Refill } from '../../refill.ts';
import { followBackfill } from '../backfill.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { isTenant, parseNames, parseRange, parseTenant } from '../parse.ts';
import { withRefill, type ConfigOptions } from '../session.ts';
import { commandLine } from '../shell.ts';

interface BackfillOptions extends ConfigOptions {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly template?: string | undefined;
  readonly revision?: string | undefined;
  readonly scorer?: string | undefined;
  readonly languages?: string | undefined;
  readonly agents?: string | undefined;
  readonly includeDevUsers?: true | undefined;
  readonly reindex: boolean;
  readonly dataset?: string | undefined;
  readonly cluster?: string | undefined;
  readonly dryRun?: true | undefined;
  readonly execute?: true | undefined;
  readonly json?: true | undefined;
}

/** `refill backfill` */
export function backfillCommand(cli: Cli) {
  return new Command('backfill')
    .summary('score conversations, write scorecards to Postgres, and re-index them')
    .description(
      'Finds conversations in a range and an audience, has a scorer judge them against a template revision, writes new and changed scorecards and scores to Postgres, and re-indexes what it touched. It is the only command that writes to the source, so --execute is needed; without it the plan is shown. A process template judges the process scorecards that are there. Executed again, it goes on where it was; `status`, `pause`, `resume`, `cancel` and `retry` take its id.',
    )
    .argument('<tenant>', 'customer/profile, or the id of a backfill that was planned')
    .addOption(option.fromOption())
    .addOption(option.toOption())
    .option('--template <id>', 'template to judge by')
    .option('--revision <name>', 'revision of the template (default: the newest that is active)')
    .option('--scorer <name>', 'scorer of the configuration')
    .option('--languages <names>', 'only conversations in these languages, separated by commas')
    .option('--agents <ids>', 'only conversations of these agents, separated by commas')
    .option('--include-dev-users', 'conversations of dev users too')
    .option('--no-reindex', 'write to Postgres only')
    .option('--dry-run', 'ask the scorer about everything, and say what would be written')
    .option('--execute', 'do it')
    .addOption(option.datasetOption())
    .addOption(option.clusterOption())
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        [
          'refill backfill acme/main --from 2026-01-05 --to 2026-01-15 --template t-42 --scorer quality',
          'show what it would do, and refuse (exit 3)',
        ],
        ['refill backfill b-7k2m9xq0bd --dry-run', 'the same with the scorer’s answers'],
        ['refill backfill b-7k2m9xq0bd --execute', 'do it, or go on with it'],
      ]),
    )
    .action(async (word, options) => {
      const request = isTenant(word) ? requestOf(word, options) : null;
      if (request === null) refuseMore(word, options);
      await withRefill(cli, options, async (refill) => {
        const plan =
          request === null ? (await (await refill.ledger()).backfill(word)).plan : await refill.planBackfill(request);
        if (options.dryRun === true) await rehearse(cli, refill, plan, options);
        else if (options.execute === true)
          await followBackfill(cli, options, (signals) => refill.backfill(plan.id, signals));
        else await showAndRefuse(cli, plan, options);
      });
    });
}

function needed(value: string | undefined, name: string): string {
  if (value === undefined || value === '')
    throw new RefillError('USAGE', `--${name} is missing`, { hint: 'See `refill backfill --help`.' });
  return value;
}

function requestOf(word: string, options: BackfillOptions): BackfillRequest {
  const { languages, agents, revision, dataset, cluster } = options;
  const audience: Audience = {
    ...(languages === undefined ? {} : { languages: parseNames(languages, '--languages') }),
    ...(agents === undefined ? {} : { agentUserIds: parseNames(agents, '--agents') }),
  };
  return {
    tenant: parseTenant(word),
    range: parseRange(options.from, options.to),
    template: needed(options.template, 'template'),
    scorer: needed(options.scorer, 'scorer'),
    audience,
    includeDevUsers: options.includeDevUsers === true,
    reindex: options.reindex,
    ...(revision === undefined ? {} : { revision }),
    ...(dataset === undefined ? {} : { dataset }),
    ...(cluster === undefined ? {} : { cluster }),
  };
}

/** A backfill is executed as it was planned: whoever gives a range with it expects something else. */
function refuseMore(id: string, options: BackfillOptions): void {
  const names = ['from', 'to', 'template', 'revision', 'scorer', 'languages', 'agents', 'dataset', 'cluster'] as const;
  const given = names.filter((name) => options[name] !== undefined).map((name) => `--${name}`);
  if (given.length === 0) return;
  throw new RefillError('USAGE', `${given.join(', ')} cannot be given with the backfill ${JSON.stringify(id)}`, {
    hint: 'A backfill is executed as it was planned. To plan one, name a tenant as customer/profile.',
  });
}

async function showAndRefuse(cli: Cli, plan: BackfillPlan, options: BackfillOptions): Promise<never> {
  const { backfillPlanView } = await import('../views/backfill.ts');
  const next = commandLine(['backfill', plan.id, '--execute'], options);
  if (options.json === true) cli.json({ type: 'backfill-plan', ...plan });
  else cli.print(backfillPlanView(plan, next, cli.color));
  throw new RefillError(
    'NOT_CONFIRMED',
    'nothing was done: a backfill writes to Postgres, and --execute was not given',
    {
      hint: `Read the plan, then: ${next}`,
      details: { backfill: plan.id },
    },
  );
}

async function rehearse(cli: Cli, refill: Refill, plan: BackfillPlan, options: BackfillOptions): Promise<void> {
  const tally = await refill.rehearseBackfill(plan.id);
  if (options.json === true) {
    cli.json({ type: 'backfill-rehearsal', backfill: plan.id, tally });
    return;
  }
  const { backfillPlanView, tallyView } = await import('../views/backfill.ts');
  cli.print(backfillPlanView(plan, commandLine(['backfill', plan.id, '--execute'], options), cli.color));
  cli.print(`\nWhat would be written, by what the scorer says now (${tally.unjudged} not judged):\n`);
  cli.print(tallyView(tally, cli.color));
}
