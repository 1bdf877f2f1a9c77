import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { isMap, isScalar, isSeq, parseDocument, visit } from 'yaml';

import { CLICKHOUSE_CLUSTER, LEDGER_DATABASE, LOOPBACK, POSTGRES_USER } from './info.ts';

/** The header of a file that is ours to write again; take it away to keep your own changes. */
const HEADER = '# written by refill up';

export interface ConfigPorts {
  readonly postgres: number;
  readonly http: number;
}

export function configPath(dir: string): string {
  return join(dir, 'refill.config.yaml');
}

/**
 * Writes the configuration of the stack. A file that somebody has made their own (without our header) is kept, and
 * only the ports that the stack had before are replaced in it.
 */
export async function writeConfig(dir: string, ports: ConfigPorts, before: ConfigPorts | undefined): Promise<void> {
  const file = configPath(dir);
  const current = existsSync(file) ? await readFile(file, 'utf8') : undefined;
  const text =
    current === undefined || current.startsWith(HEADER) ? configText(dir, ports) : withPorts(current, ports, before);
  if (text !== current) await writeFile(file, text, { mode: 0o644 });
}

function configText(dir: string, ports: ConfigPorts): string {
  const secret = JSON.stringify(`file:${join(dir, 'secrets', 'postgres')}`);
  const postgres = `host: ${LOOPBACK}, port: ${ports.postgres}, user: ${POSTGRES_USER}, password: ${secret}`;
  return `${HEADER}, and again at every start; without this line only the ports are kept up to date
ledger: { ${postgres}, database: ${LEDGER_DATABASE} }
clusters:
  local:
    postgres: { ${postgres} }
    clickhouse: { urls: ["http://${LOOPBACK}:${ports.http}"], user: default, cluster: ${CLICKHOUSE_CLUSTER} }
    tenants: discover
datasets: [scorecards]
`;
}

function withPorts(text: string, ports: ConfigPorts, before: ConfigPorts | undefined): string {
  if (before === undefined) return text;
  const document = parseDocument(text);
  visit(document, {
    Map: (_key, map) => {
      if (map.get('host') === LOOPBACK && map.get('port') === before.postgres) map.set('port', ports.postgres);
    },
    Pair: (_key, pair) => {
      if (!isScalar(pair.key) || pair.key.value !== 'urls' || !isSeq(pair.value)) return;
      for (const item of pair.value.items) {
        if (isScalar(item) && item.value === `http://${LOOPBACK}:${before.http}`) {
          item.value = `http://${LOOPBACK}:${ports.http}`;
        }
      }
    },
  });
  return isMap(document.contents) && document.errors.length === 0 ? document.toString() : text;
}
