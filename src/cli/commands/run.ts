import { Command } from '@commander-js/extra-typings';

import { refuseBlast } from '../../domain/blast.ts';
import { RefillError } from '../../domain/errors.ts';
import type { Executor } from '../../domain/executor.ts';
import type { Limits } from '../../domain/limits.ts';
import type { Plan } from '../../domain/plan.ts';
import type { Refill } from '../../refill.ts';
import type { Cli } from '../cli.ts';
import { confirmWords, executeCommand, rowsWords } from '../confirm.ts';
import { runFleet } from '../fleet.ts';
import { follow } from '../follow.ts';
import * as option from '../options.ts';
import { isTenant, parseWhole } from '../parse.ts';
import { type Asked, isFleet, parseRequest, type PlanOptions } from '../request.ts';
import { withRefill, type ConfigOptions } from '../session.ts';

interface RunOptions extends PlanOptions, ConfigOptions {
  readonly execute?: true | undefined;
  readonly confirmRows?: string | undefined;
  readonly executor?: Executor | undefined;
  readonly json?: true | undefined;
}

/** `refill run` */
export function runCommand(cli: Cli) {
  return new Command('run')
    .summary('execute a plan, or plan a tenant and execute that')
    .description(
      'Executes a saved plan, or plans a range of a tenant (or of several, a fleet) and executes that. Rows are deleted, so --execute is needed; without it the plan is shown. Ctrl-C finishes what has begun and pauses, a second one stops at once.',
    )
    .argument('[plan...]', 'id of a plan or a fleet, or customer/profile with --from and --to')
    .option('--execute', 'do it')
    .addOption(option.executorOption())
    .addOption(option.confirmRowsOption())
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
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill run p-7k2m9xq0bd --execute', 'what `refill plan` has shown, unchanged'],
        ['refill run acme/main --from 2026-01-05 --to 2026-01-15 --execute', 'plan and execute in one go'],
        ['refill run acme/main --from 2026-01-05 --to 2026-01-15', 'show what it would do, and refuse (exit 3)'],
        ['refill run p-7k2m9xq0bd --execute --json | tee run.ndjson', 'one event a line, the result last'],
        ['refill run f-7k2m9xq0bd --execute', 'a fleet, as planned'],
        ['refill run --all --from 2026-01-05 --to 2026-01-15 --execute', 'plan every tenant and execute that'],
      ]),
    )
    .action(async (words, options) => {
      const asked = parseWords(words, options);
      const confirmRows =
        options.confirmRows === undefined ? undefined : parseWhole(options.confirmRows, '--confirm-rows');
      await withRefill(cli, options, async (refill, { limits }) => {
        if (asked.of === 'fleet' || asked.of === 'fleet-id') {
          await runFleet(cli, refill, asked, limits, { ...options, confirmRows });
          return;
        }
        const plan = await planOf(refill, asked);
        if (options.execute !== true) await showAndRefuse(cli, plan, limits, options);
        const { rowsToDelete } = plan.cost;
        const command = executeCommand(plan.id, rowsWords(rowsToDelete), options);
        refuseBlast({ id: plan.id, rowsToDelete }, limits.blastRows, confirmRows, command);
        await execute(cli, refill, plan, options, asked.of === 'plan-id');
      });
    });
}

/** What a run is asked to execute: something that was planned, or something to plan first. */
function parseWords(
  words: readonly string[],
  options: PlanOptions,
): Asked | { readonly of: 'plan-id'; readonly id: string } | { readonly of: 'fleet-id'; readonly id: string } {
  const [word, ...more] = words;
  if (word === undefined && options.all !== true && options.cluster === undefined) {
    throw new RefillError('USAGE', "missing required argument 'plan'", {
      hint: 'Name a plan or a fleet, or a tenant as customer/profile. See `refill run --help`.',
    });
  }
  if (word === undefined || isTenant(word)) return parseRequest(words, options);
  if (more.length > 0) {
    throw new RefillError('USAGE', `${JSON.stringify(word)} was given with ${more.length} more`, {
      hint: 'A plan is executed by itself. Several tenants are named as customer/profile.',
    });
  }
  refuseRangeOfPlan(word, options);
  return { of: isFleet(word) ? 'fleet-id' : 'plan-id', id: word };
}

/** A plan is executed as it was approved: whoever gives a range with it expects something else. */
function refuseRangeOfPlan(plan: string, options: PlanOptions): void {
  const names = [
    'from',
    'to',
    'strategy',
    'tables',
    'only',
    'ids',
    'dataset',
    'cluster',
    'all',
    'exclude',
    'priority',
    'dependent',
  ] as const satisfies readonly (keyof PlanOptions)[];
  const given = names.filter((name) => options[name] !== undefined).map((name) => `--${name}`);
  if (given.length === 0) return;
  throw new RefillError('USAGE', `${given.join(', ')} cannot be given with the plan ${JSON.stringify(plan)}`, {
    hint: 'A plan is executed as it is. To make one, name a tenant as customer/profile.',
  });
}

async function planOf(
  refill: Refill,
  asked: Exclude<ReturnType<typeof parseWords>, { readonly of: 'fleet' | 'fleet-id' }>,
): Promise<Plan> {
  if (asked.of === 'plan-id') return (await refill.ledger()).plan(asked.id);
  return asked.of === 'ids' ? refill.planIds(asked.request) : refill.plan(asked.request);
}

async function showAndRefuse(cli: Cli, plan: Plan, limits: Limits, options: RunOptions): Promise<never> {
  const { planJson, planView } = await import('../views/plan.ts');
  const next = executeCommand(plan.id, confirmWords(plan.cost.rowsToDelete, limits), options);
  if (options.json === true) cli.json(planJson(plan));
  else cli.print(planView(plan, next, cli.color));
  throw new RefillError('NOT_CONFIRMED', 'nothing was done: a run deletes rows, and --execute was not given', {
    hint: `Read the plan, then: ${next}`,
    details: { plan: plan.id },
  });
}

/** `recount`: whether the plan is of another moment, so that its counts may have drifted. */
async function execute(cli: Cli, refill: Refill, plan: Plan, options: RunOptions, recount: boolean): Promise<void> {
  const json = options.json === true;
  if (!json) {
    const { planLines } = await import('../views/plan.ts');
    cli.note(planLines(plan, cli.noteColor));
  }
  // The number was compared with the plan's already.
  const confirmRows = plan.cost.rowsToDelete;
  const followed = await follow(cli, json, (signals) =>
    refill.run(plan.id, {
      ...signals,
      recount,
      confirmRows,
      ...(options.executor === undefined ? {} : { executor: options.executor }),
    }),
  );
  if (json) return;
  const { resultView } = await import('../views/result.ts');
  cli.print(resultView(followed, cli.color, options));
}
