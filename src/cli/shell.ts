import { formatInstant, formatTenant, type Range, type TenantName } from '../domain/words.ts';
import { visible } from '../report/format.ts';

/** The options of every command that needs a configuration. */
export interface ConfigOptions {
  readonly config?: string | undefined;
}

/** A word as a shell takes it: quoted where it needs to be, and never with a character that a terminal would obey. */
export function quote(word: string): string {
  if (/^[\w@%+=:,./-]+$/u.test(word)) return word;
  if (visible(word) === word) return `'${word.replaceAll("'", String.raw`'\''`)}'`;
  return `$'${visible(word.replaceAll('\\', String.raw`\\`).replaceAll("'", String.raw`\'`))}'`;
}

/** A command line to copy, with the `--config` that this one was given. */
export function commandLine(words: readonly string[], options: ConfigOptions = {}): string {
  const config = options.config === undefined ? [] : ['--config', options.config];
  return ['refill', ...words, ...config].map(quote).join(' ');
}

/** The words that name a tenant and a range; whole days without their hours. */
export function rangeWords(tenant: TenantName, range: Range): readonly string[] {
  return [formatTenant(tenant), '--from', formatInstant(range.from), '--to', formatInstant(range.to)];
}
