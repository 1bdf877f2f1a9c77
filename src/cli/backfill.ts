import type { BackfillEvent, BackfillResult } from '../domain/backfill.ts';
import { EXIT } from '../domain/exit.ts';
import type { BackfillRecord } from '../ledger/ledger.ts';
import type { CancelWaiting, Refill, RunOptions } from '../refill.ts';
import type { Cli } from './cli.ts';
import { listen } from './follow.ts';
import type { ConfigOptions } from './session.ts';
import { commandLine } from './shell.ts';

interface OutputOptions extends ConfigOptions {
  readonly json?: true | undefined;
}

const EXITS: Readonly<Record<BackfillResult['state'], number>> = {
  succeeded: EXIT.done,
  incomplete: EXIT.differences,
  failed: EXIT.failed,
  paused: EXIT.interrupted,
  cancelled: EXIT.interrupted,
};

/** Follows a backfill to its end, as `follow` does a run. */
export async function followBackfill(
  cli: Cli,
  options: OutputOptions,
  start: (options: RunOptions) => AsyncIterable<BackfillEvent>,
): Promise<void> {
  const json = options.json === true;
  const { backfillProgressView, backfillResultView } = await import('./views/backfill.ts');
  const isEnd = (event: BackfillEvent): event is BackfillResult => event.type === 'backfill-result';
  const result = await listen(cli, json, backfillProgressView(cli), start, isEnd, (event) => {
    return event.type === 'backfill-progress' ? { doing: 'the conversations that are being judged' } : {};
  });
  cli.exit = EXITS[result.state];
  if (!json) cli.print(backfillResultView(result, cli.color));
}

/** `refill status` of a backfill. */
export async function showBackfill(cli: Cli, refill: Refill, id: string, options: OutputOptions): Promise<void> {
  const record = await refill.backfillStatus(id);
  const { backfillJson, backfillStatusView } = await import('./views/backfill.ts');
  if (options.json === true) cli.json(backfillJson(record));
  else cli.print(backfillStatusView(record, cli.color, options));
}

/** `refill pause` and `refill cancel` of a backfill. */
export async function askBackfill(
  cli: Cli,
  refill: Refill,
  id: string,
  wanted: 'pause' | 'cancel',
  options: OutputOptions,
  waiting: CancelWaiting,
): Promise<void> {
  const record = await (wanted === 'pause' ? refill.pauseBackfill(id) : refill.cancelBackfill(id, waiting));
  const { backfillJson } = await import('./views/backfill.ts');
  if (options.json === true) cli.json(backfillJson(record));
  else cli.print(answer(record, wanted, options));
}

function answer({ id, state }: BackfillRecord, wanted: 'pause' | 'cancel', options: ConfigOptions): string {
  const command = (verb: string) => commandLine([verb, id], options);
  if (state === 'paused') return `Backfill ${id} is paused. Go on with: ${command('resume')}`;
  if (state === 'cancelled')
    return `Backfill ${id} is cancelled. What it has written to Postgres stays. Continue it with: ${commandLine(['retry', id, '--execute'], options)}`;
  const what = wanted === 'pause' ? 'pause: it finishes what it has begun' : 'end: it breaks off what it does';
  return `Backfill ${id} was asked to ${what}. Watch it with: ${command('status')}`;
}
