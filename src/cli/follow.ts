import { EXIT } from '../domain/exit.ts';
import { RefillError } from '../domain/errors.ts';
import type { RunEvent, RunResult } from '../domain/events.ts';
import type { Strategy } from '../domain/words.ts';
import type { RunOptions } from '../refill.ts';
import type { Cli } from './cli.ts';
import { onInterrupt } from './interrupt.ts';
import { type ProgressView, progressView } from './progress.ts';

/** Exit status of a run's end. */
function exitOf(state: RunResult['state']): number {
  const statuses: Readonly<Record<RunResult['state'], number>> = {
    succeeded: EXIT.done,
    differences: EXIT.differences,
    failed: EXIT.failed,
    paused: EXIT.interrupted,
    cancelled: EXIT.interrupted,
  };
  return statuses[state];
}

/** A run that was followed to its end. */
export interface Followed {
  readonly result: RunResult;
  /** Null where it never said so. */
  readonly strategy: Strategy | null;
}

/**
 * Follows a run to its end: events as JSON lines, or progress for people; Ctrl-C drains, then forces. Sets the exit
 * status. The last event is returned and, with `json`, printed like the others.
 */
export async function follow(
  cli: Cli,
  json: boolean,
  start: (options: RunOptions) => AsyncIterable<RunEvent>,
): Promise<Followed> {
  let strategy: Strategy | null = null;
  const isEnd = (event: RunEvent): event is RunResult => event.type === 'result';
  const result = await listen(cli, json, progressView(cli), start, isEnd, (event) => {
    if (event.type === 'started') {
      strategy = event.strategy;
      return { goesOn: event.executor === 'temporal' };
    }
    return event.type === 'progress' ? { doing: event.doing } : {};
  });
  cli.exit = exitOf(result.state);
  return { result, strategy };
}

/** What an event tells of what is followed. */
export interface Seen {
  /** What is done or waited for. */
  readonly doing?: string;
  /** Whether it goes on when its following ends. */
  readonly goesOn?: boolean;
}

/**
 * Reads events to their end and shows them, or prints them as JSON lines; Ctrl-C drains, then forces. Returns
 * the event that is the end.
 *
 * @param see Gets each event, and returns what it tells.
 */
export async function listen<Event, End extends Event>(
  cli: Cli,
  json: boolean,
  view: ProgressView<Event>,
  start: (options: RunOptions) => AsyncIterable<Event>,
  isEnd: (event: Event) => event is End,
  see: (event: Event) => Seen,
): Promise<End> {
  let end: End | undefined;
  let seen: Required<Seen> = { doing: 'its first step', goesOn: false };
  const interrupts = onInterrupt({
    say: (message) => view.line(message),
    waitsFor: () => seen.doing,
    goesOn: () => seen.goesOn,
  });
  // Nobody reads on: what runs unseen should end where it can go on later.
  const gone = () => interrupts.stop('The reader of the output is gone');
  cli.readerGone.addEventListener('abort', gone);
  try {
    for await (const event of start({ drain: interrupts.drain, force: interrupts.force })) {
      if (json) cli.json(event);
      else view.show(event);
      seen = { ...seen, ...see(event) };
      if (isEnd(event)) end = event;
    }
  } finally {
    view.end();
    cli.readerGone.removeEventListener('abort', gone);
    interrupts.end();
  }
  if (end === undefined) throw new RefillError('BUG', 'what was followed ended without a result');
  return end;
}
