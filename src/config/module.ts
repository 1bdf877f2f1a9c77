import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { defineDataset } from '../dataset/define.ts';
import { defineConfig } from './define.ts';
import { redact } from './redact.ts';
import type { Position } from './problems.ts';

/** What a module exports by default, or why that cannot be had. */
export type LoadedModule =
  { readonly value: unknown } | { readonly message: string; readonly position: Position | null };

/** Our own index, beside this program as it runs: from source, or built. */
const INDEX = new URL(import.meta.url.endsWith('.ts') ? '../index.ts' : '../index.js', import.meta.url).href;

/**
 * `refill` as a configuration imports it: this very program, whatever is or is not installed where the file lies. The
 * specifier is computed so that no import leads from here back to the index, which exports the loader.
 */
async function ourselves(): Promise<Record<string, unknown>> {
  const index: Record<string, unknown> = await import(INDEX);
  return { ...index, defineConfig, defineDataset };
}

/** The first place in a stack or a parser's message that lies in the file itself. */
function placeIn(file: string, text: string): Position | null {
  for (const name of [file, pathToFileURL(file).href]) {
    const start = text.indexOf(`${name}:`);
    const [, line, column] = start < 0 ? [] : (/^:(\d+):(\d+)/u.exec(text.slice(start + name.length)) ?? []);
    if (line !== undefined && column !== undefined) return { line: Number(line), column: Number(column) };
  }
  return null;
}

/**
 * What can be said of what a module threw. Its first line only, and nothing of syntax errors (a parser's, or of
 * JSON.parse in the module): these quote what they read.
 */
function failure(file: string, error: unknown): LoadedModule {
  if (!(error instanceof Error)) return { message: 'throws something that is not an Error', position: null };
  const position = placeIn(file, `${error.message}\n${error.stack ?? ''}`);
  const first = error.message.split('\n')[0]?.trim() ?? '';
  if (first.startsWith('ParseError:')) return { message: 'cannot be read: syntax error', position };
  if (error.name === 'SyntaxError')
    return { message: 'throws a SyntaxError, whose text could quote a secret', position };
  const masked = redact(first).replace(/\/\/[^\s/@]*@/gu, '//***@');
  return { message: `throws ${error.name}${masked === '' ? '' : `: ${masked}`}`, position };
}

/**
 * The default export of a TypeScript or JavaScript module, through jiti, which needs no build step and works on
 * Node 20. Nothing of it is cached on disk: a file that holds a password (and is refused for it) would be kept there.
 */
export async function importModule(file: string): Promise<LoadedModule> {
  const { createJiti } = await import('jiti');
  const jiti = createJiti(pathToFileURL(`${dirname(file)}/`).href, {
    fsCache: false,
    interopDefault: false,
    virtualModules: { refill: await ourselves() },
  });
  let exported: unknown;
  try {
    exported = await jiti.import(file);
  } catch (error) {
    return failure(file, error);
  }
  if (typeof exported === 'object' && exported !== null && 'default' in exported) return { value: exported.default };
  return { message: 'exports nothing by default; write `export default defineConfig({ … })`', position: null };
}
