import { stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { RefillError } from '../domain/errors.ts';
import { shownFile } from './problems.ts';

/** Where a configuration is looked for, in this order. */
const DIRECTORIES = ['.', '.refill'] as const;
const EXTENSIONS = ['.ts', '.mts', '.js', '.mjs', '.yaml', '.yml'] as const;
/** The names that a configuration can have. */
export const CONFIG_NAMES: readonly string[] = EXTENSIONS.map((extension) => `refill.config${extension}`);

type Kind = 'file' | 'directory' | 'nothing';

async function kindOf(path: string): Promise<Kind> {
  try {
    const status = await stat(path);
    return status.isDirectory() ? 'directory' : 'file';
  } catch {
    return 'nothing';
  }
}

/** The files of a directory that could be meant. */
async function candidates(directory: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of CONFIG_NAMES) {
    const file = join(directory, name);
    if ((await kindOf(file)) === 'file') found.push(file);
  }
  return found;
}

async function named(file: string, cwd: string): Promise<string> {
  const path = resolve(cwd, file);
  const kind = await kindOf(path);
  if (kind === 'nothing') {
    throw new RefillError('CONFIG_MISSING', `There is no file ${file}.`, { details: { file: path } });
  }
  if (kind === 'directory') {
    throw new RefillError('CONFIG_INVALID', `${file} is a directory; name a file in it.`, { details: { file: path } });
  }
  if (!EXTENSIONS.some((extension) => extension === extname(path))) {
    throw new RefillError('CONFIG_INVALID', `${file}: expected a file that ends in ${EXTENSIONS.join(', ')}.`, {
      details: { file: path },
      hint: 'Rename the file to what it is written in.',
    });
  }
  return path;
}

/** The configuration's file, absolute: the one that is named, or the only one in `.` or else in `.refill/`. */
export async function findConfig(file: string | undefined, cwd: string): Promise<string> {
  if (file !== undefined) return named(file, cwd);
  for (const directory of DIRECTORIES) {
    const found = await candidates(resolve(cwd, directory));
    const [first] = found;
    if (found.length > 1) {
      const names = found.map((path) => shownFile(path, cwd));
      throw new RefillError('CONFIG_INVALID', `There are several configurations: ${names.join(', ')}.`, {
        hint: 'Remove all but one, or name the one that is meant with --config FILE.',
        details: { files: found },
      });
    }
    if (first !== undefined) return first;
  }
  throw new RefillError(
    'CONFIG_MISSING',
    `No configuration file: looked for ${CONFIG_NAMES.join(', ')} here and in .refill/.`,
    { details: { directories: DIRECTORIES.map((directory) => resolve(cwd, directory)), names: CONFIG_NAMES } },
  );
}
