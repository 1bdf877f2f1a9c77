import { resolve } from 'node:path';
import type { DatasetDefinition } from '../dataset/definition.ts';
import type {
  ClusterConfig,
  RefillConfig,
  ReindexerConfig,
  ScorerConfig,
  TemporalConfig,
  TemporalConnection,
  TemporalTls,
} from './config.ts';
import { resolveDatasets, type DatasetSources } from './datasets.ts';
import { url } from './fields.ts';
import { isMap, list, map, repeats } from './loose.ts';
import { findings, type Finding, type Path } from './problems.ts';
import { moduleConfigSchema, yamlConfigSchema, type CheckedConfig } from './schema.ts';
import { absoluteReference } from './secrets.ts';

/** What checking needs to know of the file. */
export interface CheckContext extends DatasetSources {
  /** `module`: datasets can stand in the list themselves. */
  readonly form: 'yaml' | 'module';
}

/** A configuration that is complete, or everything that is wrong with it. */
export type Checked = { readonly config: RefillConfig } | { readonly findings: readonly Finding[] };

/**
 * Without the keys that are set to `undefined`: TypeScript files compute them, and mean that they are left out.
 * No configuration is as deep as 20; what is, contains itself.
 */
function withoutUndefined(value: unknown, depth = 0): unknown {
  if (depth > 20 || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withoutUndefined(item, depth + 1));
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutUndefined(item, depth + 1)]));
}

function tenantFindings(tenants: unknown, path: Path): readonly Finding[] {
  const found: Finding[] = [];
  const items = list(tenants).map(map);
  const names = items.map(({ customer, profile }) =>
    typeof customer === 'string' && typeof profile === 'string' ? `${customer}/${profile}` : null,
  );
  for (const { index, first, text } of repeats(names)) {
    found.push({ path: [...path, index], message: `\`${text}\` is in the list already, as tenants[${first}]` });
  }
  for (const [index, { database, sourceDatabase, targetDatabase }] of items.entries()) {
    if (database !== undefined && sourceDatabase !== undefined && targetDatabase !== undefined) {
      const message = 'is not used: `sourceDatabase` and `targetDatabase` say it all; leave it out';
      found.push({ path: [...path, index, 'database'], part: 'key', message });
    }
  }
  return found;
}

const urlSchema = url();

/** An address as it would be asked, for comparing; null where it is none, which is said elsewhere. */
function origin(value: unknown): string | null {
  const result = urlSchema.safeParse(value);
  return result.success ? new URL(result.data).origin : null;
}

/** What two clusters cannot have in common: both sides. Sharing one is how several Postgres servers feed one target. */
function sidesOf(value: unknown): string | null {
  const { postgres, clickhouse } = map(value);
  const { host, port = 5432 } = map(postgres);
  const { urls, cluster = null } = map(clickhouse);
  const origins = list(urls).map(origin);
  if (typeof host !== 'string' || origins.length === 0 || origins.includes(null)) return null;
  return JSON.stringify([host.toLowerCase(), port, origins.map(String).sort(), cluster]);
}

/** What is wrong between values, each of which may be right by itself. */
function crossFindings(value: unknown): readonly Finding[] {
  const found: Finding[] = [];
  const written = map(value)['clusters'];
  const clusters = Object.entries(map(written));
  if (isMap(written) && clusters.length === 0) {
    found.push({ path: ['clusters'], message: 'expected at least one cluster' });
  }
  for (const [name, cluster] of clusters) {
    const { clickhouse, tenants } = map(cluster);
    found.push(...tenantFindings(tenants, ['clusters', name, 'tenants']));
    for (const { index, first } of repeats(list(map(clickhouse)['urls']).map(origin))) {
      const path = ['clusters', name, 'clickhouse', 'urls', index];
      found.push({ path, message: `the same address as urls[${first}]` });
    }
  }
  const names = clusters.map(([name]) => name);
  for (const { index, first } of repeats(clusters.map(([, cluster]) => sidesOf(cluster)))) {
    const message = `the same servers as \`${names[first]}\`: every tenant would be found twice`;
    found.push({ path: ['clusters', names[index] ?? ''], part: 'key', message });
  }
  return found;
}

/** The configuration with secret references that no longer depend on the file's directory. */
function withAbsoluteSecrets(
  checked: CheckedConfig,
  directory: string,
  datasets: readonly DatasetDefinition[],
): RefillConfig {
  const absolute = <T extends { readonly password?: string }>(server: T): T =>
    server.password === undefined ? server : { ...server, password: absoluteReference(server.password, directory) };
  const temporalOf = (temporal: TemporalConfig | undefined) =>
    temporal === undefined ? {} : { temporal: absoluteConnection(temporal, directory) };
  const clusters = Object.entries(checked.clusters).map(
    ([name, { postgres, clickhouse, reindexers, temporal, ...others }]): [string, ClusterConfig] => [
      name,
      {
        postgres: absolute(postgres),
        clickhouse: absolute(clickhouse),
        ...others,
        ...temporalOf(temporal),
        ...(reindexers === undefined ? {} : { reindexers: reindexersOf(reindexers, directory) }),
      },
    ],
  );
  return {
    ledger: absolute(checked.ledger),
    clusters: Object.fromEntries(clusters),
    datasets,
    limits: checked.limits,
    health: checked.health,
    ...(checked.calendar === undefined ? {} : { calendar: checked.calendar }),
    ...(checked.scorers === undefined ? {} : { scorers: scorersOf(checked.scorers, directory) }),
    ...(checked.executor === undefined ? {} : { executor: checked.executor }),
    ...temporalOf(checked.temporal),
  };
}

/** A connection to a Temporal server, its references and its codec's path absolute. */
function absoluteConnection<T extends TemporalConnection>(connection: T, directory: string): T {
  const { apiKey, codec, tls } = connection;
  return {
    ...connection,
    ...(typeof tls === 'object' ? { tls: absoluteTls(tls, directory) } : {}),
    ...(apiKey === undefined ? {} : { apiKey: absoluteReference(apiKey, directory) }),
    ...(codec === undefined ? {} : { codec: resolve(directory, codec) }),
  };
}

/** References to certificates, likewise. */
function absoluteTls({ ca, certificate, key, ...others }: TemporalTls, directory: string): TemporalTls {
  return {
    ...others,
    ...(ca === undefined ? {} : { ca: absoluteReference(ca, directory) }),
    ...(certificate === undefined ? {} : { certificate: absoluteReference(certificate, directory) }),
    ...(key === undefined ? {} : { key: absoluteReference(key, directory) }),
  };
}

/** The re-indexers, likewise. */
function reindexersOf(
  reindexers: Readonly<Record<string, ReindexerConfig>>,
  directory: string,
): Readonly<Record<string, ReindexerConfig>> {
  return Object.fromEntries(
    Object.entries(reindexers).map(([name, one]) => [name, absoluteConnection(one, directory)]),
  );
}

/** The scorers, the references of their keys absolute. */
function scorersOf(
  scorers: Readonly<Record<string, ScorerConfig>>,
  directory: string,
): Readonly<Record<string, ScorerConfig>> {
  const absolute = (scorer: ScorerConfig): ScorerConfig =>
    'url' in scorer && scorer.key !== undefined ? { ...scorer, key: absoluteReference(scorer.key, directory) } : scorer;
  return Object.fromEntries(Object.entries(scorers).map(([name, scorer]) => [name, absolute(scorer)]));
}

/** Checks what a file holds and completes it; finds everything that is wrong with it at once. */
export async function checkConfig(input: unknown, context: CheckContext): Promise<Checked> {
  const value = context.form === 'module' ? withoutUndefined(input) : input;
  const schema = context.form === 'module' ? moduleConfigSchema : yamlConfigSchema;
  const result = schema.safeParse(value);
  const own = [...(result.success ? [] : findings(result.error.issues)), ...crossFindings(value)];
  const datasets = await resolveDatasets(list(map(value)['datasets']), context);
  const all = [...own, ...datasets.findings];
  if (!result.success || all.length > 0) return { findings: all };
  return { config: withAbsoluteSecrets(result.data, context.directory, datasets.datasets) };
}
