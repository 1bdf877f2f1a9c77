import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where a `temporal` program of our own lies: `REFILL_CACHE`, or `~/.cache/refill`. `scripts/temporal.mjs` puts it there. */
export function temporalCache(env: NodeJS.ProcessEnv = process.env): string {
  return env['REFILL_CACHE'] ?? join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'refill');
}

/** The `temporal` program: of the PATH, or of the cache; null where there is none. */
export function temporalBinary(env: NodeJS.ProcessEnv = process.env): string | null {
  const directories = [...(env['PATH'] ?? '').split(delimiter), temporalCache(env)];
  return directories.map((directory) => join(directory, 'temporal')).find(executable) ?? null;
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    // A directory may be entered, and is no program.
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
