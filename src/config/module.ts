import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { defineDataset } from '../dataset/define.ts';
import { defineConfig } from './define.ts';
import { defineScorer } from './scorer.ts';
import { isMap } from './loose.ts';
import { redact } from '../domain/redact.ts';

/** What a module exports by default, or why that cannot be had. */
export type LoadedModule =
  | { readonly value: unknown }
  | { readonly message: string; readonly line: number | null; readonly column: number | null };

/** Our own index, beside this program as it runs: from source, or built. */
const INDEX = new URL(import.meta.url.endsWith('.ts') ? '../index.ts' : '../index.js', import.meta.url).href;

/**
 * `refill` as a configuration imports it: this very program, whatever is or is not installed where the file lies. The
 * specifier is computed so that no import leads from here back to the index, which exports the loader.
 */
async function ourselves(): Promise<Record<string, unknown>> {
  const index: Record<string, unknown> = await import(INDEX);
  return { ...index, defineConfig, defineDataset, defineScorer };
}

/** What a parser's message or a stack says of the file itself, first. */
function placeIn(file: string, text: string): { readonly line: number | null; readonly column: number | null } {
  for (const name of [file, pathToFileURL(file).href]) {
    const start = text.indexOf(`${name}:`);
    const [, line, column] = start < 0 ? [] : (/^:(\d+):(\d+)/u.exec(text.slice(start + name.length)) ?? []);
    if (line !== undefined && column !== undefined) return { line: Number(line), column: Number(column) };
  }
  return { line: null, column: null };
}

/**
 * What can be said of what a module threw. Its first line only, and nothing of syntax errors (a parser's, or of
 * JSON.parse in the module): these quote what they read.
 */
function failure(file: string, error: unknown): LoadedModule {
  if (!(error instanceof Error)) return { message: 'throws something that is not an Error', line: null, column: null };
  const first = error.message.split('\n')[0]?.trim() ?? '';
  const place = placeIn(file, `${error.message}\n${error.stack ?? ''}`);
  if (first.startsWith('ParseError:')) return { message: 'cannot be read: syntax error', ...place };
  // What runs is the file with its types taken out: lines stay as they are written, columns do not.
  const line = { line: place.line, column: null };
  const masked = redact(first).replace(/\/\/[^\s/@]*@/gu, '//***@');
  if ('code' in error && error.code === 'MODULE_NOT_FOUND') return { message: masked, ...line };
  if (error.name === 'SyntaxError')
    return { message: 'throws a SyntaxError, whose text could quote a secret', ...line };
  return { message: `throws ${error.name}${masked === '' ? '' : `: ${masked}`}`, ...line };
}

/**
 * The default export of a TypeScript or JavaScript module, through jiti, which needs no build step and works on
 * Node 20. Nothing of it is cached on disk: a file that holds a password (and is refused for it) would be kept there.
 * In memory it is: a file is run once a process, and a change takes a new start.
 */
export async function importModule(file: string): Promise<LoadedModule> {
  const { createJiti } = await import('jiti');
  const jiti = createJiti(pathToFileURL(`${dirname(file)}/`).href, {
    fsCache: false,
    interopDefault: false,
    virtualModules: { refill: await ourselves() },
  });
  try {
    const exported: unknown = await jiti.import(file);
    if (isMap(exported) && 'default' in exported) return { value: await exported['default'] };
  } catch (error) {
    return failure(file, error);
  }
  return { message: 'exports nothing by default; write `export default …`', line: null, column: null };
}
