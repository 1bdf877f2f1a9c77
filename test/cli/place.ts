import { Cli } from '../../src/cli/cli.ts';

/** A `Cli` that prints into strings. */
export function recordingCli(
  options: { readonly tty?: boolean; readonly env?: NodeJS.ProcessEnv; readonly columns?: number } = {},
): {
  readonly cli: Cli;
  readonly out: () => string;
  readonly err: () => string;
} {
  let out = '';
  let err = '';
  const shape = { isTTY: options.tty === true, columns: options.columns ?? 80 };
  const cli = new Cli({
    stdout: { ...shape, write: (text) => (out += text) },
    stderr: { ...shape, write: (text) => (err += text) },
    env: options.env ?? {},
    cwd: process.cwd(),
    readerGone: new AbortController().signal,
  });
  return { cli, out: () => out, err: () => err };
}
