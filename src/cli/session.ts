import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

import type { RefillConfig } from '../config/config.ts';
import { RefillError } from '../domain/errors.ts';
import type { Refill } from '../refill.ts';
import type { Cli } from './cli.ts';
import { commandLine, type ConfigOptions } from './shell.ts';

export type { ConfigOptions };

/** Reads the configuration, opens Refill for as long as `work` takes, and closes its connections. */
export async function withRefill<T>(
  cli: Cli,
  options: ConfigOptions,
  work: (refill: Refill, config: RefillConfig) => Promise<T>,
): Promise<T> {
  // Loaded here, so that `--help` and a typo on the command line do not wait for database drivers.
  const [{ loadConfig }, { createRefill }] = await Promise.all([
    import('../config/load.ts'),
    import('../create-refill.ts'),
  ]);
  const { config, file } = await loadConfig({
    cwd: cli.cwd,
    ...(options.config === undefined ? {} : { file: options.config }),
  });
  const refill = createRefill(config);
  try {
    return await work(refill, config);
  } catch (error) {
    throw ofEmbedded(error, dirname(file), cli);
  } finally {
    await refill.close();
  }
}

const UNREACHABLE: readonly string[] = ['PG_UNREACHABLE', 'CH_UNREACHABLE', 'LEDGER_UNREACHABLE'];

/** Servers of `refill up` that do not answer are stopped: no network has to be looked at. */
function ofEmbedded(error: unknown, dir: string, cli: Cli): unknown {
  const up = ['state.json', 'fleet.json'].some((state) => existsSync(join(dir, state)));
  if (!up || !(error instanceof RefillError) || !UNREACHABLE.includes(error.code)) return error;
  const { code, message, details } = error;
  const named = relative(cli.cwd, dir);
  const command = commandLine(['up', ...(named === '.refill' ? [] : ['--dir', named === '' ? '.' : named])]);
  return new RefillError(code, message, {
    hint: `The servers of \`refill up\` in ${named === '' ? '.' : named} do not run. Start them: ${command}`,
    details,
    cause: error,
  });
}
