import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { isMap, isScalar, isSeq, parseDocument, visit } from 'yaml';

import type { TenantName } from '../domain/words.ts';
import { clickhousePasswordFile, ownerOf } from './clickhouse-access.ts';
import { CLICKHOUSE_CLUSTER, LEDGER_DATABASE, LOOPBACK, POSTGRES_USER } from './info.ts';
import { passwordFile } from './postgres.ts';
import { runningTemporal } from './temporal-state.ts';
import type { EmbeddedTemporal } from './temporal.ts';

/** The header of a file that is ours to write again; take it away to keep your own changes. */
const HEADER = '# written by refill up';

export interface ConfigPorts {
  readonly postgres: number;
  readonly http: number;
}

/** A Postgres: the directory of its stack, and its port. */
export interface ConfigPostgres {
  readonly dir: string;
  readonly port: number;
}

/** A ClickHouse: the directory of its stack, and its port for HTTP. */
export interface ConfigClickHouse {
  readonly dir: string;
  readonly http: number;
}

export interface ConfigCluster {
  readonly postgres: ConfigPostgres;
  readonly clickhouse: ConfigClickHouse;
  /** Default: they are discovered. */
  readonly tenants?: readonly TenantName[];
}

/** Ports that have moved, from what they were to what they are. */
export interface MovedPorts {
  readonly postgres: ReadonlyMap<number, number>;
  readonly http: ReadonlyMap<number, number>;
}

export function configPath(dir: string): string {
  return join(dir, 'refill.config.yaml');
}

/** Writes the configuration of a single stack; see `keepConfig`. */
export async function writeConfig(dir: string, ports: ConfigPorts, before: ConfigPorts | undefined): Promise<void> {
  const postgres = { dir, port: ports.postgres };
  const text = configText(postgres, { local: { postgres, clickhouse: { dir, http: ports.http } } });
  const moved = {
    postgres: new Map(before === undefined ? [] : [[before.postgres, ports.postgres]]),
    http: new Map(before === undefined ? [] : [[before.http, ports.http]]),
  };
  await keepConfig(dir, text, moved);
}

/**
 * Writes the configuration of `dir`. A file that somebody has made their own (without our header) is kept, and only the
 * ports that the servers had before are replaced in it.
 */
export async function keepConfig(dir: string, text: string, moved: MovedPorts): Promise<void> {
  const file = configPath(dir);
  const current = existsSync(file) ? await readFile(file, 'utf8') : undefined;
  const own = current === undefined || current.startsWith(HEADER);
  const next = own ? text + temporalText(await runningTemporal(dir)) : withPorts(current, moved);
  if (next !== current) await writeFile(file, next, { mode: 0o644 });
}

/** The whole of a configuration. */
export function configText(ledger: ConfigPostgres, clusters: Readonly<Record<string, ConfigCluster>>): string {
  const entries = Object.entries(clusters).map(
    ([name, { postgres, clickhouse, tenants }]) => `  ${name}:
    postgres: { ${server(postgres)} }
    clickhouse: { ${engine(clickhouse)} }
    tenants: ${tenants === undefined ? 'discover' : list(tenants)}
`,
  );
  return `${HEADER}, and again at every start; without this line only the ports are kept up to date
ledger: { ${server(ledger)}, database: ${LEDGER_DATABASE} }
clusters:
${entries.join('')}datasets: [scorecards]
`;
}

function temporalText(server: EmbeddedTemporal | undefined): string {
  return server === undefined ? '' : `temporal: { address: "${server.address}", namespace: ${server.namespace} }\n`;
}

function server({ dir, port }: ConfigPostgres): string {
  const secret = JSON.stringify(`file:${passwordFile(dir)}`);
  return `host: ${LOOPBACK}, port: ${port}, user: ${POSTGRES_USER}, password: ${secret}`;
}

function engine({ dir, http }: ConfigClickHouse): string {
  const owner = ownerOf(dir);
  const secret = owner === undefined ? '' : `, password: ${JSON.stringify(`file:${clickhousePasswordFile(dir)}`)}`;
  return `urls: ["http://${LOOPBACK}:${http}"], user: ${owner?.name ?? 'default'}${secret}, cluster: ${CLICKHOUSE_CLUSTER}`;
}

function list(tenants: readonly TenantName[]): string {
  const text = (value: string) => JSON.stringify(value);
  return tenants
    .map(({ customer, profile }) => `\n      - { customer: ${text(customer)}, profile: ${text(profile)} }`)
    .join('');
}

function withPorts(text: string, moved: MovedPorts): string {
  const document = parseDocument(text);
  visit(document, {
    Map: (_key, map) => {
      const port = map.get('host') === LOOPBACK ? moved.postgres.get(Number(map.get('port'))) : undefined;
      if (port !== undefined) map.set('port', port);
    },
    Pair: (_key, pair) => {
      if (!isScalar(pair.key) || pair.key.value !== 'urls' || !isSeq(pair.value)) return;
      for (const item of pair.value.items) {
        if (isScalar(item)) item.value = withPort(item.value, moved.http);
      }
    },
  });
  return isMap(document.contents) && document.errors.length === 0 ? document.toString() : text;
}

function withPort(url: unknown, moved: ReadonlyMap<number, number>): unknown {
  const [, before] = typeof url === 'string' ? (/^http:\/\/127\.0\.0\.1:(\d+)$/u.exec(url) ?? []) : [];
  const now = before === undefined ? undefined : moved.get(Number(before));
  return now === undefined ? url : `http://${LOOPBACK}:${now}`;
}
