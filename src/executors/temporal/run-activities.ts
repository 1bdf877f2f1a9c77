import { setTimeout as sleep } from 'node:timers/promises';
import { RefillError } from '../../domain/errors.ts';
import type { Instant } from '../../domain/words.ts';
import type { FlowWindow, Steps } from '../../flow/steps.ts';
import { createRunSteps, type StepReports } from '../../steps/run-steps.ts';
import { isOutage } from '../retry.ts';
import { attend, type Beat, type Desk } from './attend.ts';
import { rehearsalOf } from './beats.ts';
import { type EvenHanded, handedBack } from './even-handed.ts';
import type { Gates, Passing } from './gate.ts';
import type { OpenedRun, OpenedRuns, WorkerEnvironment } from './opened.ts';
import type { RefillActivities, StepEnd } from './shared/activity-types.ts';
import { Fields } from './shared/fields.ts';
import { type UnitPayload, unitPayload } from './shared/payloads.ts';

type RunActivities = Pick<
  RefillActivities,
  | 'refillRehearseWindow'
  | 'refillWriteWindow'
  | 'refillSubmitDelete'
  | 'refillAwaitDelete'
  | 'refillProveWritten'
  | 'refillProveDelete'
  | 'refillSweep'
>;

/** How long the ledger's lock on a run is waited for between looks. */
const LOCK_PAUSE_MS = 1000;

/** The steps of a run as activities: the same steps that the local executor calls. */
export function createRunActivities(
  environment: WorkerEnvironment,
  runs: OpenedRuns,
  gates: Gates,
  shared: EvenHanded,
): RunActivities {
  const step =
    (
      name: keyof Steps,
      kind: 'window' | 'delete',
      // Null hands it back to the server.
      work: (at: AtWork, to: Instant | undefined) => Promise<Omit<StepEnd, 'wanted'> | void | null>,
    ) =>
    async (raw: UnitPayload): Promise<StepEnd> => {
      const opening: { cluster?: string } = {};
      const done = await attend<StepEnd | null>(
        kind,
        environment.limits,
        async (desk) => {
          const { run, unit, to } = unitPayload(name, raw);
          desk.beat.unit = name === 'rehearseWindow' ? rehearsalOf(unit) : `${kind} ${unit}`;
          const opened = await runs.get(run);
          opening.cluster = opened.bench.tenant.cluster;
          const end = await work(
            { ...opened, run, unit, desk, steps: stepsOf(environment, gates, opened, run, desk) },
            to,
          );
          return end === null ? null : { wanted: await opened.ledger.wanted(run), ...end };
        },
        (error) => {
          if (kind === 'window' && opening.cluster !== undefined && !isOutage(error)) gates.slower(opening.cluster);
        },
      );
      if (done === null) throw handedBack();
      return done;
    };
  return {
    refillRehearseWindow: step('rehearseWindow', 'window', (at, to) =>
      shared.window(at.run, at.plan.limits.windows, () =>
        windowInSlot(gates, at, () => at.steps.rehearseWindow(at.unit, to)),
      ),
    ),
    refillWriteWindow: step('writeWindow', 'window', (at, to) =>
      shared.window(at.run, at.plan.limits.windows, () =>
        windowInSlot(gates, at, () => at.steps.writeWindow(at.unit, to)),
      ),
    ),
    refillSubmitDelete: step('submitDelete', 'delete', (at) =>
      deleteWhenOpen(environment, gates, at, () => at.steps.submitDelete(at.unit)),
    ),
    refillAwaitDelete: step('awaitDelete', 'delete', ({ steps, unit }) => unlessClosed(steps.awaitDelete(unit))),
    refillProveWritten: step('proveWritten', 'delete', ({ steps, unit }) => steps.proveWritten(unit)),
    refillProveDelete: step('proveDelete', 'delete', ({ steps, unit }) => steps.proveDelete(unit)),
    refillSweep: (payload) =>
      attend('sweep', environment.limits, async (desk) => {
        const run = new Fields('refillSweep', payload).text('run');
        desk.beat.unit = 'sweep';
        const opened = await runs.get(run);
        const steps = stepsOf(environment, gates, opened, run, desk);
        const end = await deleteWhenOpen(environment, gates, { ...opened, run, desk }, () => steps.sweep());
        return { wanted: await opened.ledger.wanted(run), ...end };
      }),
  };
}

/** A run on somebody's desk. */
interface OnDesk extends OpenedRun {
  readonly run: string;
  readonly desk: Desk;
}

/** A unit of a run on somebody's desk. */
interface AtWork extends OnDesk {
  readonly unit: number;
  readonly steps: Steps;
}

function stepsOf(environment: WorkerEnvironment, gates: Gates, opened: OpenedRun, run: string, desk: Desk): Steps {
  const { bench, ledger, plan } = opened;
  return createRunSteps({
    bench,
    ledger,
    run,
    plan,
    actor: environment.actor,
    signal: desk.signal,
    reports: reportsIn(desk.beat),
    alone: async (task) => {
      const { left } = await deleteWhenOpen(environment, gates, { ...opened, run, desk }, task);
      if (left === true) throw CLOSED;
    },
  });
}

/** What steps tell goes into the heartbeat. */
function reportsIn(beat: Beat): StepReports {
  const rows = new Map<string, number>();
  return {
    onRows: (window, table, read) => {
      rows.set(table, read);
      beat.rows = [...rows.values()].reduce((sum, n) => sum + n, 0);
      beat.cursor = { window, table };
    },
    onWritten: () => undefined,
    onRehearsal: () => undefined,
    onCut: () => undefined,
    onDelete: () => undefined,
    onWait: (_, reason) => {
      beat.waits = reason;
    },
    onNotice: (message) => {
      beat.notice = message;
    },
  };
}

function passingOf({ run, bench, plan, desk }: OnDesk): Passing {
  return {
    run,
    bench,
    plan,
    signal: desk.signal,
    onWait: (reason) => {
      desk.beat.waits = reason;
    },
    onGoverned: (reason) => {
      desk.beat.governed = reason;
    },
  };
}

/** Reads a window where its turn has come. */
async function windowInSlot(
  gates: Gates,
  at: AtWork,
  task: () => Promise<readonly FlowWindow[]>,
): Promise<Omit<StepEnd, 'wanted'>> {
  const { bench, desk, plan, unit } = at;
  desk.beat.rowsTotal = plan.windows.find((w) => w.id === unit)?.sourceRows ?? null;
  const done = await gates.inSlot(passingOf(at), unit, task);
  if (!done) return { left: true };
  if (done.result.length === 0) gates.wentWell(bench.tenant.cluster);
  return { windows: done.result };
}

/** Nothing is deleted either while the servers are sick or the calendar is closed; and by one program only. */
async function deleteWhenOpen(
  environment: WorkerEnvironment,
  gates: Gates,
  at: OnDesk,
  task: () => Promise<void>,
): Promise<Omit<StepEnd, 'wanted'>> {
  const done = await gates.whenOpen(passingOf(at), () => alone(environment, at, task));
  return done ? {} : { left: true };
}

/** Why a step that waits was left where it would have had to delete. */
const CLOSED = new Error('the run is to begin nothing more, and there are rows to delete');

/** What waits needs no turn; where it has to delete and the run was paused before its turn came, it is left. */
async function unlessClosed(waiting: Promise<void>): Promise<Omit<StepEnd, 'wanted'>> {
  try {
    await waiting;
    return {};
  } catch (error) {
    if (error === CLOSED) return { left: true };
    throw error;
  }
}

/**
 * Does something as the only program on the run, by the ledger's lock: of two workers, one of which was thought dead, a
 * second one never sends a delete while the first is at it.
 */
async function alone(
  environment: WorkerEnvironment,
  { ledger, run, desk }: OnDesk,
  task: () => Promise<void>,
): Promise<void> {
  const lock = await lockWhenFree(environment, ledger, run, desk);
  void lock.lost.then((cause) =>
    desk.stop(new RefillError('LEDGER_UNREACHABLE', 'the ledger was lost, and with it the lock on the run', { cause })),
  );
  try {
    await task();
  } finally {
    await lock.release();
  }
}

async function lockWhenFree(
  { actor }: WorkerEnvironment,
  ledger: OpenedRun['ledger'],
  run: string,
  { signal, beat }: Desk,
): Promise<Awaited<ReturnType<OpenedRun['ledger']['lockRun']>>> {
  for (;;) {
    try {
      return await ledger.lockRun(run, actor);
    } catch (error) {
      if (!(error instanceof RefillError && error.code === 'RUN_BUSY')) throw error;
      // Who that is: a worker that hangs there would hold up the run until somebody ends it.
      beat.waits = error.message;
      await sleep(LOCK_PAUSE_MS, undefined, { signal });
    }
  }
}
