import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { defineConfig, type ConfigInput } from '../../src/config/define.ts';
import { configJsonSchema, configJsonSchemaText } from '../../src/config/json-schema.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { moduleConfigSchema } from '../../src/config/schema.ts';
import { configTemplate } from '../../src/config/template.ts';
import { DEFAULT_LIMITS } from '../../src/domain/limits.ts';
import { BUILTINS, CONTRACT, directory, load, loadYaml } from './fixture.ts';

const ROOT = new URL('../../', import.meta.url);
const DOCS = new URL('docs/configuration.md', ROOT);

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: boolean | Node;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly default?: unknown;
}

/** `path: default` of every key of a JSON Schema; `path:` where it has no default. */
function keys(node: Node, path = ''): readonly (readonly [path: string, fallback: unknown])[] {
  const own = Object.entries(node.properties ?? {}).flatMap(([key, child]) => [
    [path === '' ? key : `${path}.${key}`, child.default] as const,
    ...keys(child, path === '' ? key : `${path}.${key}`),
  ]);
  const rest = typeof node.additionalProperties === 'object' ? keys(node.additionalProperties, `${path}.NAME`) : [];
  const items = node.items === undefined ? [] : keys(node.items, `${path}[]`);
  return [...own, ...rest, ...items, ...(node.anyOf ?? []).flatMap((branch) => keys(branch, path))];
}

describe('config.schema.json', () => {
  test('the committed file is up to date (npm run build && node scripts/config-schema.mjs)', async () => {
    expect(await readFile(new URL('config.schema.json', ROOT), 'utf8')).toBe(configJsonSchemaText());
  });

  test('an editor that goes by it accepts what Refill accepts, and refuses unknown keys and passwords', () => {
    // zod reads the JSON Schema back: what is tested is the file, not the schema that it was made from.
    const editor = z.fromJSONSchema(JSON.parse(configJsonSchemaText()));
    expect(editor.safeParse(parse(CONTRACT)).error).toBeUndefined();
    expect(editor.safeParse(parse(configTemplate())).error).toBeUndefined();
    expect(editor.safeParse(parse(CONTRACT.replace('user: app', 'user: app, passwrod: x'))).success).toBe(false);
    expect(editor.safeParse(parse(CONTRACT.replace('env:PG_PASSWORD', 'hunter2'))).success).toBe(false);
    expect(editor.safeParse(parse(CONTRACT.replace('5432', '70000'))).success).toBe(false);
    expect(editor.safeParse(parse(CONTRACT.replace('http://', 'http://me:x@'))).success).toBe(false);
  });

  test('every limit is in it, with its default', () => {
    const limits = keys(configJsonSchema()).filter(([path]) => path.startsWith('limits.'));
    expect(Object.fromEntries(limits.map(([path, fallback]) => [path.slice('limits.'.length), fallback]))).toEqual(
      DEFAULT_LIMITS,
    );
  });
});

describe('the template of `refill init`', () => {
  test('is loaded without an error', async () => {
    const config = await loadYaml(configTemplate());
    expect(Object.keys(config.clusters)).toEqual(['main']);
  });

  test('shows every limit with its default, and they load once their # is gone', async () => {
    const text = configTemplate();
    expect(text).toContain('# limits:');
    const limits = text.slice(text.indexOf('# limits:')).replace(/^# /gmu, '');
    const config = await loadYaml(CONTRACT + limits);
    expect(config.limits).toEqual(DEFAULT_LIMITS);
    for (const key of Object.keys(DEFAULT_LIMITS)) expect(limits).toContain(`  ${key}: `);
  });

  test('its other comments load as well: tls, cluster, compress, deletes, tenants', async () => {
    const keep =
      /^(\s*)# ?((?:tls|cluster|compress|deletes):.*|tenants:|  - customer:.*|    (?:profile|database):.*)$/gmu;
    const text = configTemplate()
      .replace(/^ *tenants: discover\n/mu, '')
      .replace(keep, '$1$2');
    const config = await loadYaml(text);
    expect(config.ledger.tls).toBe('disable');
    expect(config.clusters['main']).toMatchObject({
      clickhouse: { cluster: 'conversations', compress: 'auto', deletes: 'auto' },
      tenants: [{ customer: 'acme', profile: 'main', database: 'acme_main' }],
    });
  });
});

describe('docs/configuration.md', () => {
  const blocks = (text: string, language: string): readonly string[] =>
    [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gmu'))].map((match) => match[1] ?? '');

  test('names every key, and its default', async () => {
    const text = await readFile(DOCS, 'utf8');
    for (const [path, fallback] of keys(configJsonSchema())) {
      const key = path.split('.').at(-1) ?? path;
      const rows = text.split('\n').filter((line) => line.startsWith(`| \`${key}\``));
      expect(rows, `a table row for ${path}`).not.toEqual([]);
      if (typeof fallback !== 'string' && typeof fallback !== 'number') continue;
      expect(
        rows.some((row) => row.includes(`| \`${String(fallback)}\``)),
        `${path}: ${String(fallback)}`,
      ).toBe(true);
    }
  });

  test('every YAML example that is a whole configuration loads', async () => {
    const examples = blocks(await readFile(DOCS, 'utf8'), 'yaml').filter((text) => /^ledger:/mu.test(text));
    expect(examples.length).toBeGreaterThanOrEqual(2);
    for (const text of examples) expect((await loadYaml(text)).datasets).not.toEqual([]);
  });

  test('has the line by which an editor finds the schema', async () => {
    expect(await readFile(DOCS, 'utf8')).toMatch(/^# yaml-language-server: \$schema=.*config\.schema\.json$/mu);
  });

  test('every TypeScript example loads', async () => {
    const examples = blocks(await readFile(DOCS, 'utf8'), 'ts');
    expect(examples.length).toBeGreaterThanOrEqual(1);
    for (const text of examples) {
      const cwd = await directory({ 'refill.config.ts': text });
      const { config } = await loadConfig({ cwd, builtins: BUILTINS });
      expect(config.datasets).not.toEqual([]);
    }
  });
});

describe('defineConfig', () => {
  test('returns what it is given, and its type is what the schema accepts', async () => {
    const written: z.input<typeof moduleConfigSchema> = {
      ledger: { host: 'a', user: 'b', database: 'c' },
      clusters: { east: { postgres: { host: 'a', user: 'b' }, clickhouse: { urls: ['http://a'], user: 'b' } } },
      datasets: ['scorecards'],
      limits: { looks: 5 },
    };
    // A key that the schema has and ConfigInput has not, or of another type, does not compile here.
    const input: ConfigInput = written;
    expect(defineConfig(input)).toBe(written);
    const { limits } = await load({ 'refill.config.ts': `export default ${JSON.stringify(input)};` });
    expect(limits.looks).toBe(5);
  });
});
