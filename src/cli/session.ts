import type { RefillConfig } from '../config/config.ts';
import type { Refill } from '../refill.ts';
import type { Cli } from './cli.ts';

/** The options of every command that needs a configuration. */
export interface ConfigOptions {
  readonly config?: string | undefined;
}

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
  const { config } = await loadConfig({
    cwd: cli.cwd,
    ...(options.config === undefined ? {} : { file: options.config }),
  });
  const refill = createRefill(config);
  try {
    return await work(refill, config);
  } finally {
    await refill.close();
  }
}
