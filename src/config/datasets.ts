import { existsSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import type { DatasetDefinition } from '../dataset/definition.ts';
import { datasetSchema } from './dataset-schema.ts';
import { importModule } from './module.ts';
import { findings, type Finding } from './problems.ts';
import { didYouMean } from './suggest.ts';

/** Where datasets come from. */
export interface DatasetSources {
  /** The configuration's directory; paths are relative to it. */
  readonly directory: string;
  readonly builtins: ReadonlyMap<string, DatasetDefinition>;
}

const MODULES = ['.ts', '.mts', '.js', '.mjs'];

/** Whether an entry is a module's path and not a name; names have neither slash nor extension. */
const isPath = (entry: string): boolean => entry.includes('/') || MODULES.includes(extname(entry));

type Resolved = { readonly dataset: DatasetDefinition } | { readonly findings: readonly Omit<Finding, 'part'>[] };

async function fromModule(entry: string, directory: string): Promise<Resolved> {
  if (!MODULES.includes(extname(entry))) {
    return { findings: [{ path: [], message: `expected the path of a module that ends in ${MODULES.join(', ')}` }] };
  }
  const file = resolve(directory, entry);
  if (!existsSync(file)) return { findings: [{ path: [], message: 'there is no such file' }] };
  const loaded = await importModule(file);
  if ('message' in loaded) {
    const place = [entry, loaded.line, loaded.column].filter((part) => part !== null).join(':');
    return { findings: [{ path: [], message: `${place}: ${loaded.message}` }] };
  }
  const result = datasetSchema.safeParse(loaded.value);
  if (result.success) return { dataset: result.data };
  return {
    findings: findings(result.error.issues).map(({ path, message }) => ({ path, message: `${message} (in ${entry})` })),
  };
}

async function fromText(entry: string, { directory, builtins }: DatasetSources): Promise<Resolved> {
  const builtin = builtins.get(entry);
  if (builtin !== undefined) return { dataset: builtin };
  if (isPath(entry)) return fromModule(entry, directory);
  const names = [...builtins.keys()];
  const meant = didYouMean(entry, names);
  const others = meant === '' ? `; built in: ${names.join(', ')}; a module’s path begins with ./` : meant;
  return { findings: [{ path: [], message: `no built-in dataset has this name${others}` }] };
}

async function fromEntry(entry: unknown, sources: DatasetSources): Promise<Resolved> {
  // Findings of texts that are empty, and of definitions, come from the configuration's schema.
  if (typeof entry === 'string') return entry === '' ? { findings: [] } : fromText(entry, sources);
  const result = datasetSchema.safeParse(entry);
  return result.success ? { dataset: result.data } : { findings: [] };
}

/** The datasets of a list, and what is wrong with its entries as far as the configuration's schema does not say it. */
export async function resolveDatasets(
  entries: readonly unknown[],
  sources: DatasetSources,
): Promise<{ readonly datasets: readonly DatasetDefinition[]; readonly findings: readonly Finding[] }> {
  const datasets: DatasetDefinition[] = [];
  const found: Finding[] = [];
  const names = new Map<string, number>();
  for (const [index, entry] of entries.entries()) {
    const path = ['datasets', index];
    const resolved = await fromEntry(entry, sources);
    if ('findings' in resolved) {
      found.push(...resolved.findings.map((finding) => ({ ...finding, path: [...path, ...finding.path] })));
      continue;
    }
    const { name } = resolved.dataset;
    const first = names.get(name);
    if (first === undefined) names.set(name, index);
    else found.push({ path, message: `a dataset \`${name}\` is in the list already, as datasets[${first}]` });
    datasets.push(resolved.dataset);
  }
  return { datasets, findings: found };
}
