import { redact } from '../domain/redact.ts';
import { EXIT } from '../domain/exit.ts';
import { hasColors, paint, type Paint } from './paint.ts';

/** A stream that text is printed to. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Where a command runs: its streams, its environment and its directory. */
export interface Place {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Aborted when whoever read stdout has stopped to, as `| head` does. */
  readonly readerGone: AbortSignal;
}

/**
 * What commands print to. Results go to stdout, everything that is only for people at a terminal goes to stderr. Nothing
 * is printed but through here, where secrets are taken out.
 */
export class Cli implements Place {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly readerGone: AbortSignal;
  /** Colours of stdout. */
  readonly color: Paint;
  /** Colours of stderr. */
  readonly noteColor: Paint;
  /** The exit status, where no error is thrown. */
  exit: number = EXIT.done;

  constructor(place: Place) {
    this.stdout = place.stdout;
    this.stderr = place.stderr;
    this.env = place.env;
    this.cwd = place.cwd;
    this.readerGone = place.readerGone;
    this.color = paint(hasColors(place.stdout, place.env));
    this.noteColor = paint(hasColors(place.stderr, place.env));
  }

  /** A part of a result, in text. */
  print(text: string): void {
    this.stdout.write(`${redact(text)}\n`);
  }

  /** A result as one JSON value on a line of its own. */
  json(value: unknown): void {
    // Strings one by one: replaced in the whole, a secret of digits would turn numbers into something else than JSON.
    const line = JSON.stringify(value, (_, part: unknown) => (typeof part === 'string' ? redact(part) : part));
    this.stdout.write(`${line}\n`);
  }

  /** A result that hands out a secret because it was asked for: how to reach the servers of `refill up`. */
  jsonWithSecrets(value: unknown): void {
    this.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** A line for people, beside the result. */
  note(text: string): void {
    this.stderr.write(`${redact(text)}\n`);
  }
}
