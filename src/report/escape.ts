import { visible } from './format.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Any text as text in HTML and SVG, in content and in quoted attributes. */
export function escapeHtml(text: string): string {
  return visible(text).replace(/[&<>"']/gu, (character) => ENTITIES[character] ?? '');
}

/**
 * Any text as text in Markdown: HTML and Markdown's own signs mean nothing in it, and it cannot leave a table's cell.
 * `_` inside a word is left alone, as Markdown does not read it there and names are full of it.
 */
export function escapeMarkdown(text: string): string {
  return visible(text)
    .replace(/[\\`*[\]|~#!]/gu, (character) => `\\${character}`)
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, String.raw`\_`)
    .replace(/[&<>]/gu, (character) => ENTITIES[character] ?? '')
    .replace(/:\/\//gu, ':&#47;/');
}

/** Text as code in Markdown, fenced by more backticks than it holds. */
export function markdownCode(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/gu)].map(([run]) => run.length));
  const fence = '`'.repeat(Math.max(3, longest + 1));
  return `${fence}sql\n${text.split('\n').map(visible).join('\n')}\n${fence}`;
}
