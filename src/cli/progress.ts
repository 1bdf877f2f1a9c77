import type { Progress, RunEvent } from '../domain/events.ts';
import { formatTenant } from '../domain/words.ts';
import { brief, count, counted, duration, percent, range, visible } from '../report/format.ts';
import type { Cli } from './cli.ts';
import type { Paint } from './paint.ts';

/** Elsewhere than on a terminal, a line of progress at most every so often: a log should not grow by the second. */
const LINE_EVERY_MS = 5000;
/** On a terminal, no more often than can be read. */
const DRAW_EVERY_MS = 100;
const BAR_WIDTH = 12;
/** In a terminal that is narrower, what can be spared is left out, so that what it waits for is seen. */
const WIDE = 110;
const CLEAR_LINE = '\r\u001b[2K';

/** How events are shown while a run or a fleet goes on. */
export interface ProgressView<Event> {
  show(event: Event): void;
  /** A line that stays, above the status line where there is one. */
  line(text: string): void;
  /** Removes the status line; must be called before anything else is printed. */
  end(): void;
}

/** A bar that is so full. */
export function progressBar(share: number, color: Paint): string {
  const filled = Math.floor(share * BAR_WIDTH);
  return color.green('━'.repeat(filled)) + color.dim('─'.repeat(BAR_WIDTH - filled));
}

/** One snapshot of a run in one line: how far, how fast, how long, and what it does or waits for. */
export function progressLine(progress: Progress, color: Paint, width = WIDE): string {
  const { windows, rowsWritten, rowsTotal } = progress;
  const left = Math.max(0, rowsTotal - rowsWritten);
  // Written is not done: deletes and proofs follow, so nothing is whole before the last window is.
  const written = windows.done === windows.total ? rowsTotal : Math.min(rowsWritten, Math.floor(rowsTotal * 0.99));
  const share = rowsTotal === 0 ? 0 : written / rowsTotal;
  const bar = progressBar(share, color);
  const parts = [
    left > 0 && progress.rowsPerSecond > 0 ? `${count(progress.rowsPerSecond)} rows/s` : null,
    left > 0 && width >= WIDE ? `${count(left)} rows left` : null,
    left === 0 || progress.secondsLeft === null ? null : `${duration(progress.secondsLeft)} left`,
    visible(progress.doing),
    `${windows.done}/${windows.total} windows`,
    windows.failed > 0 ? color.red(`${windows.failed} failed`) : null,
  ].filter((part) => part !== null);
  return `${bar} ${rowsTotal === 0 ? '' : `${percent(written, rowsTotal)}  `}${parts.join(' · ')}`;
}

/** A change of state in one line; null for what is no change that a person follows. */
export function changeLine(event: RunEvent, color: Paint): string | null {
  switch (event.type) {
    case 'window': {
      if (event.state === 'writing') return null;
      const name = `window ${event.window} (${range(event)})`;
      if (event.state === 'failed') return failed(name, event.error, color);
      return `${name}: ${counted(event.rows, 'row')} written in ${duration(event.seconds)}`;
    }
    case 'delete': {
      const name = `delete ${event.delete} (${range(event)})`;
      if (event.state === 'failed') return failed(name, event.error, color);
      const rows = counted(event.rows, 'row');
      const words = {
        submitted: event.rows === 0 ? 'sent' : `sent, for ${rows}`,
        assigned: 'assigned on every shard',
        finished: `finished, ${rows}`,
        proven: 'proven',
      };
      return `${name}: ${words[event.state]}`;
    }
    case 'notice':
      return visible(event.message);
    case 'started':
      return `run ${color.bold(event.run)} ${event.resumed ? 'goes on' : 'begins'}: ${event.strategy} ${brief(formatTenant(event.tenant))}, ${range(event.range)} UTC`;
    case 'progress':
    case 'result':
      return null;
    default:
      return null;
  }
}

function failed(name: string, error: { code: string; message: string } | undefined, color: Paint): string {
  return `${color.red(`${name} failed`)}${error === undefined ? '' : `: ${error.code}: ${visible(error.message)}`}`;
}

/** Cuts a line with colours to a width, so that it never wraps: a wrapped line cannot be redrawn. */
export function fit(line: string, width: number): string {
  let shown = '';
  let room = width;
  // eslint-disable-next-line no-control-regex -- colours are what is looked for
  for (const [part] of line.matchAll(/\u001b\[[0-9;]*m|[^\u001b]/gu)) {
    if (part.startsWith('\u001b')) shown += part;
    else if (room-- > 0) shown += part;
  }
  return shown;
}

/** What a view makes of events. */
export interface EventWords<Event> {
  /** The status line of a snapshot; null for what is none. */
  readonly status: (event: Event, color: Paint, width?: number) => string | null;
  /** A change of state in a line that stays; null for what is none. */
  readonly change: (event: Event, color: Paint) => string | null;
  /** Whether a change is worth a line beside a status line that counts such changes. */
  readonly scrolls: (event: Event) => boolean;
}

const RUN_WORDS: EventWords<RunEvent> = {
  status: (event, color, width) => (event.type === 'progress' ? progressLine(event, color, width) : null),
  change: changeLine,
  // The status line counts windows: only what is worth a look scrolls by.
  scrolls: (event) => event.type !== 'window' || event.state === 'failed',
};

/** How a run is shown. */
export function progressView(cli: Cli, now: () => number = Date.now): ProgressView<RunEvent> {
  return eventView(cli, RUN_WORDS, now);
}

/** A status line that is redrawn, on a terminal; plain lines elsewhere. Both on stderr. */
export function eventView<Event>(
  cli: Cli,
  words: EventWords<Event>,
  now: () => number = Date.now,
): ProgressView<Event> {
  return cli.stderr.isTTY === true ? terminalView(cli, words, now) : lineView(cli, words, now);
}

function terminalView<Event>(cli: Cli, words: EventWords<Event>, now: () => number): ProgressView<Event> {
  let last: Event | undefined;
  let drawnAt = Number.NEGATIVE_INFINITY;
  const draw = () => {
    drawnAt = now();
    if (last === undefined) return;
    const width = cli.stderr.columns ?? 80;
    cli.stderr.write(`${CLEAR_LINE}${fit(words.status(last, cli.noteColor, width) ?? '', width - 1)}`);
  };
  const line = (text: string) => {
    cli.stderr.write(CLEAR_LINE);
    cli.note(text);
    draw();
  };
  return {
    line,
    show: (event) => {
      if (words.status(event, cli.noteColor) !== null) {
        last = event;
        if (now() - drawnAt >= DRAW_EVERY_MS) draw();
        return;
      }
      const text = words.change(event, cli.noteColor);
      if (text !== null && words.scrolls(event)) line(text);
    },
    end: () => {
      if (last !== undefined) cli.stderr.write(CLEAR_LINE);
      last = undefined;
    },
  };
}

function lineView<Event>(cli: Cli, words: EventWords<Event>, now: () => number): ProgressView<Event> {
  let printedAt = Number.NEGATIVE_INFINITY;
  const line = (text: string) => cli.note(`${new Date(now()).toISOString().slice(11, 19)} ${text}`);
  return {
    line,
    show: (event) => {
      const status = words.status(event, cli.noteColor);
      if (status !== null) {
        if (now() - printedAt < LINE_EVERY_MS) return;
        printedAt = now();
        line(status.replace(/^[━─]+ /u, ''));
        return;
      }
      const text = words.change(event, cli.noteColor);
      if (text !== null) line(text);
    },
    end: () => {},
  };
}

/** A status line for work that is no run: on a terminal only, as it says nothing that a log should keep. */
export function countingView(cli: Cli, quiet: boolean): { show(text: string): void; end(): void } {
  if (quiet || cli.stderr.isTTY !== true) return { show: () => {}, end: () => {} };
  return {
    show: (text) => {
      cli.stderr.write(`${CLEAR_LINE}${fit(text, (cli.stderr.columns ?? 80) - 1)}`);
    },
    end: () => {
      cli.stderr.write(CLEAR_LINE);
    },
  };
}

/** How far a verification is, in words. */
export function verifyProgress(done: number, total: number): string {
  return done < total
    ? `comparing by checksum: ${percent(done, total)}, window ${done + 1} of ${total}`
    : 'looking at what differs, and again after a while: a live writer may explain it';
}
