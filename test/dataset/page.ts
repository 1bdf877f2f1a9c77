import { readFileSync } from 'node:fs';

const PAGE = readFileSync(new URL('../../docs/dataset.md', import.meta.url), 'utf8');

/** The code blocks of docs/dataset.md in a language, in order. */
export function blocks(language: 'sql' | 'ts' | 'yaml'): string[] {
  return [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gmsu'))].map((match) => match[1] ?? '');
}

const [postgres = '', clickhouse = ''] = blocks('sql');

/** The shop's tables, as the page has them. */
export const SHOP_SOURCE = postgres;
export const shopTarget = (database: string): string[] =>
  clickhouse
    .split(';')
    .filter((sql) => sql.trim() !== '')
    .map((sql) => sql.replace('CREATE TABLE ', `CREATE TABLE \`${database}\`.`));
