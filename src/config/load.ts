import { readFile } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import type { DatasetDefinition } from '../dataset/definition.ts';
import { RefillError } from '../domain/errors.ts';
import type { Checked } from './check.ts';
import type { RefillConfig } from './config.ts';
import type { ConfigInput } from './define.ts';
import { findConfig } from './find.ts';
import { importModule } from './module.ts';
import { configError, problems, shownFile, type Locate, type Problem } from './problems.ts';
import { parseYaml } from './yaml.ts';

export interface LoadOptions {
  /** The file, absolute or relative to `cwd`. Default: the one that is found in `cwd` or in its `.refill/`. */
  readonly file?: string;
  /** Where to look, and what messages name files from. Default: the current directory. */
  readonly cwd?: string;
  /** Datasets that can be named. Default: Refill's own. */
  readonly builtins?: ReadonlyMap<string, DatasetDefinition>;
}

export interface LoadedConfig {
  readonly config: RefillConfig;
  /** The file that was loaded, absolute. */
  readonly file: string;
}

/** A file's value with a way to find its parts; or what is wrong with the file. */
type FileValue = { readonly value: unknown; readonly locate: Locate } | { readonly problems: readonly Problem[] };

const inFile = (message: string): FileValue => ({ problems: [{ path: '', line: null, column: null, message }] });

async function readYaml(file: string, cwd: string): Promise<FileValue> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new RefillError('CONFIG_MISSING', `${shownFile(file, cwd)} cannot be read.`, { cause, details: { file } });
  }
  const parsed = parseYaml(text);
  // A file of comments only is empty too.
  if ('value' in parsed && (parsed.value === null || parsed.value === undefined)) return inFile('the file is empty');
  return parsed;
}

async function readModule(file: string): Promise<FileValue> {
  const loaded = await importModule(file);
  if ('value' in loaded) return { value: loaded.value, locate: () => null };
  return { problems: [{ path: '', ...loaded }] };
}

/**
 * Reads the configuration, checks it in full, and completes it with defaults. No secret is resolved. An error lists
 * everything that is wrong with the file, with line and column where it is YAML (`details.problems`), and quotes nothing
 * that could be a password.
 */
export async function loadConfig(options: LoadOptions = {}): Promise<LoadedConfig> {
  const cwd = options.cwd ?? process.cwd();
  const file = await findConfig(options.file, cwd);
  const form = ['.yaml', '.yml'].includes(extname(file)) ? 'yaml' : 'module';
  const read = form === 'yaml' ? await readYaml(file, cwd) : await readModule(file);
  if ('problems' in read) throw configError(file, cwd, read.problems);
  const checked = await check(read.value, form, dirname(file), options.builtins);
  if ('findings' in checked) throw configError(file, cwd, problems(checked.findings, read.locate));
  return { config: checked.config, file };
}

/**
 * The same for a configuration that a program holds: paths of datasets and secrets are relative to the current
 * directory. One that is complete stays as it is. Errors: as `loadConfig`, without places.
 */
export async function completeConfig(input: ConfigInput): Promise<RefillConfig> {
  const cwd = process.cwd();
  const checked = await check(input, 'module', cwd);
  if ('findings' in checked)
    throw configError(
      'the configuration',
      cwd,
      problems(checked.findings, () => null),
    );
  return checked.config;
}

/** The schemas are loaded when they are first needed: importing the library must not set up zod's globals. */
async function check(
  value: unknown,
  form: 'yaml' | 'module',
  directory: string,
  builtins?: ReadonlyMap<string, DatasetDefinition>,
): Promise<Checked> {
  const { checkConfig } = await import('./check.ts');
  return checkConfig(value, {
    form,
    directory,
    builtins: builtins ?? (await import('../dataset/builtin.ts')).BUILTIN_DATASETS,
  });
}
