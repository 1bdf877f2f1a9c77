import { Command } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import type { Plan } from '../../domain/plan.ts';
import type { Refill } from '../../refill.ts';
import type { Cli } from '../cli.ts';
import { follow } from '../follow.ts';
import * as option from '../options.ts';
import { isTenant } from '../parse.ts';
import { withRefill, type ConfigOptions } from '../session.ts';
import { commandLine } from '../shell.ts';
import { planRequest, type PlanOptions } from './plan.ts';

interface RunOptions extends PlanOptions, ConfigOptions {
  readonly execute?: true | undefined;
  readonly json?: true | undefined;
}

/** `refill run` */
export function runCommand(cli: Cli) {
  return new Command('run')
    .summary('execute a plan, or plan a tenant and execute that')
    .description(
      'Executes a saved plan, or plans a range of a tenant and executes that. Rows are deleted, so --execute is needed; without it the plan is shown. Ctrl-C finishes what has begun and pauses, a second one stops at once.',
    )
    .argument('<plan>', 'id of a plan, or customer/profile with --from and --to')
    .option('--execute', 'do it')
    .addOption(option.fromOption())
    .addOption(option.toOption())
    .addOption(option.strategyOption())
    .addOption(option.tablesOption())
    .addOption(option.datasetOption())
    .addOption(option.clusterOption())
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill run p-7k2m9xq0bd --execute', 'what `refill plan` has shown, unchanged'],
        ['refill run acme/main --from 2026-01-05 --to 2026-01-15 --execute', 'plan and execute in one go'],
        ['refill run acme/main --from 2026-01-05 --to 2026-01-15', 'show what it would do, and refuse (exit 3)'],
        ['refill run p-7k2m9xq0bd --execute --json | tee run.ndjson', 'one event a line, the result last'],
      ]),
    )
    .action(async (what, options) => {
      const request = isTenant(what) ? planRequest(what, options) : null;
      if (request === null) refuseRangeOfPlan(what, options);
      await withRefill(cli, options, async (refill) => {
        const plan = request === null ? await readPlan(refill, what) : await refill.plan(request);
        if (options.execute !== true) await showAndRefuse(cli, plan, options);
        await execute(cli, refill, plan, options, request === null);
      });
    });
}

/** A plan is executed as it was approved: whoever gives a range with it expects something else. */
function refuseRangeOfPlan(plan: string, options: PlanOptions): void {
  const names = ['from', 'to', 'strategy', 'tables', 'dataset', 'cluster'] as const;
  const given = names.filter((name) => options[name] !== undefined).map((name) => `--${name}`);
  if (given.length === 0) return;
  throw new RefillError('USAGE', `${given.join(', ')} cannot be given with the plan ${JSON.stringify(plan)}`, {
    hint: 'A plan is executed as it is. To make one, name a tenant as customer/profile.',
  });
}

async function readPlan(refill: Refill, id: string): Promise<Plan> {
  const ledger = await refill.ledger();
  return await ledger.plan(id);
}

async function showAndRefuse(cli: Cli, plan: Plan, options: RunOptions): Promise<never> {
  const { planJson, planView } = await import('../views/plan.ts');
  const next = commandLine(['run', plan.id, '--execute'], options);
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
  const followed = await follow(cli, json, (signals) => refill.run(plan.id, { ...signals, recount }));
  if (json) return;
  const { resultView } = await import('../views/result.ts');
  cli.print(resultView(followed, cli.color, options));
}
