import { refuseBlast } from '../domain/blast.ts';
import { RefillError } from '../domain/errors.ts';
import type { Executor } from '../domain/executor.ts';
import { EXIT } from '../domain/exit.ts';
import type { FleetEvent, FleetResult } from '../domain/fleet-events.ts';
import type { FleetPlan, FleetRequest } from '../domain/fleet.ts';
import type { Limits } from '../domain/limits.ts';
import type { FleetRecord } from '../ledger/ledger.ts';
import type { CancelWaiting, Refill, RunOptions } from '../refill.ts';
import type { Cli } from './cli.ts';
import { confirmWords, executeCommand, rowsWords } from './confirm.ts';
import { listen } from './follow.ts';
import { countingView } from './progress.ts';
import type { ConfigOptions } from './session.ts';
import { commandLine } from './shell.ts';

interface OutputOptions extends ConfigOptions {
  readonly json?: true | undefined;
}

interface ExecutorOptions extends ConfigOptions {
  readonly executor?: Executor | undefined;
}

/** The command that executes a fleet, with all that has to be typed. */
function runCommandOf(plan: FleetPlan, limits: Limits, options: ExecutorOptions): string {
  return executeCommand(plan.id, confirmWords(plan.reach.rowsToDelete, limits), options);
}

async function makePlan(cli: Cli, refill: Refill, request: FleetRequest, options: OutputOptions): Promise<FleetPlan> {
  const progress = countingView(cli, options.json === true);
  try {
    return await refill.planFleet(request, {
      onProgress: (done, total) => progress.show(`planning: ${done} of ${total} tenants`),
    });
  } finally {
    progress.end();
  }
}

async function show(
  cli: Cli,
  plan: FleetPlan,
  limits: Limits,
  options: OutputOptions & ExecutorOptions,
): Promise<void> {
  const { fleetPlanJson, fleetPlanView } = await import('./views/fleet-plan.ts');
  if (options.json === true) cli.json(fleetPlanJson(plan));
  else cli.print(fleetPlanView(plan, runCommandOf(plan, limits, options), cli.color));
}

/** `refill plan` of several tenants. */
export async function planFleet(
  cli: Cli,
  refill: Refill,
  request: FleetRequest,
  limits: Limits,
  options: OutputOptions,
): Promise<void> {
  await show(cli, await makePlan(cli, refill, request, options), limits, options);
}

/** `refill run` of a fleet: one that was planned, or one to plan first. */
export async function runFleet(
  cli: Cli,
  refill: Refill,
  asked: { readonly of: 'fleet'; readonly request: FleetRequest } | { readonly of: 'fleet-id'; readonly id: string },
  limits: Limits,
  options: OutputOptions &
    ExecutorOptions & { readonly execute?: true | undefined; readonly confirmRows?: number | undefined },
): Promise<void> {
  const plan =
    asked.of === 'fleet'
      ? await makePlan(cli, refill, asked.request, options)
      : await (await refill.ledger()).fleetPlan(asked.id);
  if (options.execute !== true) {
    await show(cli, plan, limits, options);
    throw new RefillError('NOT_CONFIRMED', 'nothing was done: a run deletes rows, and --execute was not given', {
      hint: `Read the plan, then: ${runCommandOf(plan, limits, options)}`,
      details: { fleet: plan.id },
    });
  }
  const { rowsToDelete } = plan.reach;
  const { executor } = options;
  const command = executeCommand(plan.id, rowsWords(rowsToDelete), options);
  refuseBlast({ id: plan.id, rowsToDelete }, limits.blastRows, options.confirmRows, command);
  const recount = asked.of === 'fleet-id';
  await followFleet(cli, options, (signals) =>
    refill.runFleet(plan.id, {
      ...signals,
      recount,
      confirmRows: rowsToDelete,
      ...(executor === undefined ? {} : { executor }),
    }),
  );
}

/** Exit status of a fleet's end: 0 only where every tenant is proven. */
function exitOf(state: FleetResult['state']): number {
  if (state === 'succeeded') return EXIT.done;
  return state === 'paused' || state === 'cancelled' ? EXIT.interrupted : EXIT.differences;
}

/** Follows a fleet to its end, as `follow` does a run. */
export async function followFleet(
  cli: Cli,
  options: OutputOptions,
  start: (options: RunOptions) => AsyncIterable<FleetEvent>,
): Promise<void> {
  const json = options.json === true;
  const { fleetProgressView, fleetResultView } = await import('./views/fleet.ts');
  const isEnd = (event: FleetEvent): event is FleetResult => event.type === 'fleet-result';
  const result = await listen(cli, json, fleetProgressView(cli), start, isEnd, (event) => {
    if (event.type === 'fleet-started') return { goesOn: event.executor === 'temporal' };
    return event.type === 'fleet-progress' ? { doing: event.doing } : {};
  });
  cli.exit = exitOf(result.state);
  if (!json) cli.print(fleetResultView(result, cli.color, options));
}

/** `refill pause` and `refill cancel` of a fleet. */
export async function askFleet(
  cli: Cli,
  refill: Refill,
  id: string,
  wanted: 'pause' | 'cancel',
  options: OutputOptions,
  waiting: CancelWaiting,
): Promise<void> {
  const fleet: FleetRecord = await (wanted === 'pause' ? refill.pauseFleet(id) : refill.cancelFleet(id, waiting));
  if (options.json === true) {
    cli.json({ fleet: fleet.id, ...fleet });
    return;
  }
  const watch = `Watch it with: ${commandLine(['status', fleet.id], options)}`;
  if (fleet.state === 'paused') {
    cli.print(`Fleet ${fleet.id} is paused. Go on with: ${commandLine(['resume', fleet.id], options)}`);
  } else if (fleet.state === 'cancelled') {
    cli.print(
      `Fleet ${fleet.id} is cancelled. What it has done stays done: ${commandLine(['status', fleet.id], options)}`,
    );
  } else {
    cli.print(
      wanted === 'pause'
        ? `Fleet ${fleet.id} was asked to pause: it finishes what it has begun. ${watch}`
        : `Fleet ${fleet.id} was asked to end: it breaks off what it writes; deletes that were sent go on by themselves. ${watch}`,
    );
  }
}
