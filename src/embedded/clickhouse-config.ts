import { createHash } from 'node:crypto';
import { totalmem } from 'node:os';

import { DEFAULT_GRANTS, guardedHandlers, OWNER_GRANTS, type Owner } from './clickhouse-access.ts';
import { CLICKHOUSE_CLUSTER, LOOPBACK, type ClickHouseUser } from './info.ts';

export interface ClickHouseFiles {
  readonly log: string;
  readonly errorLog: string;
  readonly users: string;
}

const MAX_MEMORY_BYTES = 4_000_000_000;

/**
 * config.xml of the engine: one shard with one replica.
 *
 * @param memoryBytes The most that it may take. Default: half of the machine's.
 * @param owner Who may use it. Default: everybody on this machine.
 */
export function serverConfig(
  files: ClickHouseFiles,
  ports: { readonly http: number; readonly tcp: number },
  memoryBytes = Math.floor(totalmem() / 2),
  owner?: Owner,
): string {
  return engineConfig(
    files,
    ports,
    Math.min(MAX_MEMORY_BYTES, memoryBytes),
    `<listen_host>${LOOPBACK}</listen_host>
  <remote_servers><${CLICKHOUSE_CLUSTER}><shard>
    <internal_replication>true</internal_replication>
    <replica><host>${LOOPBACK}</host><port>${ports.tcp}</port></replica>
  </shard></${CLICKHOUSE_CLUSTER}></remote_servers>
  <macros><cluster>${CLICKHOUSE_CLUSTER}</cluster><shard>1</shard><replica>r1</replica></macros>
  ${owner === undefined ? '' : guardedHandlers(owner)}`,
  );
}

/** What every engine of ours has, small pools and small caches, with `place` in a cluster as XML: it listens there too. */
export function engineConfig(
  files: ClickHouseFiles,
  ports: { readonly http: number; readonly tcp: number },
  maxMemoryBytes: number,
  place: string,
): string {
  const memory = Math.min(maxMemoryBytes, Math.floor(totalmem() / 2));
  const log = (table: string) =>
    `<${table}><database>system</database><table>${table}</table>` +
    `<flush_interval_milliseconds>1000</flush_interval_milliseconds></${table}>`;
  return `<clickhouse>
  <logger>
    <log>${xml(files.log)}</log><errorlog>${xml(files.errorLog)}</errorlog><size>10M</size><count>1</count>
  </logger>
  <http_port>${ports.http}</http_port>
  <tcp_port>${ports.tcp}</tcp_port>
  <timezone>UTC</timezone>
  <user_directories><users_xml><path>${xml(files.users)}</path></users_xml></user_directories>
  <max_server_memory_usage>${memory}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_schedule_pool_size>8</background_schedule_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>2</background_fetches_pool_size>
  <background_distributed_schedule_pool_size>2</background_distributed_schedule_pool_size>
  <merge_tree>
    <!-- Their defaults expect a larger pool: mutations would never start. -->
    <number_of_free_entries_in_pool_to_execute_mutation>0</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>0</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>0</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
  </merge_tree>
  ${log('query_log')}
  ${log('part_log')}
  ${place}
</clickhouse>
`;
}

/**
 * users.xml: `default` without a password, which the engine's entry point is, and whoever else there is. Users cannot be
 * made by SQL: the engine has no writable access storage. Where there is an owner, `default` may do nothing.
 */
export function usersConfig(users: readonly ClickHouseUser[], owner?: Owner): string {
  const common = (profile: string) =>
    `<networks><ip>${LOOPBACK}</ip></networks><profile>${profile}</profile><quota>default</quota>`;
  const more = users.map(({ name, password, grants = [], sees = {} }) => {
    // The hash, since no secret is written.
    const hash = createHash('sha256').update(password).digest('hex');
    const rights = grants.map((grant) => element('query', xml(grant))).join('');
    const rows = Object.entries(sees).map(([database, tables]) => {
      const filters = Object.entries(tables).map(([table, rows]) => element(table, element('filter', xml(rows))));
      return element(database, filters.join(''));
    });
    return `    ${element(name, `<password_sha256_hex>${hash}</password_sha256_hex>${common(name)}${filled('grants', rights)}${filled('databases', rows.join(''))}`)}\n`;
  });
  return `<clickhouse>
  <profiles><default>
    <!-- As a server has them; the engine's own defaults are those of a local tool. -->
    <mutations_sync>0</mutations_sync>
    <implicit_select>0</implicit_select>
    <allow_introspection_functions>0</allow_introspection_functions>
  </default>
${users.map(profile).join('')}  </profiles>
  <quotas><default/></quotas>
  <users>
    <default><password></password>${common('default')}${owner === undefined ? '<named_collection_control>1</named_collection_control>' : element('grants', DEFAULT_GRANTS)}</default>
${owner === undefined ? '' : ownerElement(owner, common('default'))}${more.join('')}  </users>
</clickhouse>
`;
}

function ownerElement({ name, password }: Owner, common: string): string {
  const hash = createHash('sha256').update(password).digest('hex');
  return `    ${element(name, `<password_sha256_hex>${hash}</password_sha256_hex>${common}${element('grants', OWNER_GRANTS)}`)}\n`;
}

/** A user's own settings profile, on top of the default one. */
function profile({ name, settings = {}, fixed = [] }: ClickHouseUser): string {
  const values = Object.entries(settings).map(([setting, value]) => element(setting, xml(value)));
  const constraints = fixed.map((setting) => element(setting, '<const/>'));
  return `  ${element(name, `<profile>default</profile>${values.join('')}${filled('constraints', constraints.join(''))}`)}\n`;
}

function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`;
}

/** An element, or nothing where it would be empty. */
function filled(name: string, content: string): string {
  return content === '' ? '' : element(name, content);
}

function xml(text: string): string {
  return text.replace(/&/gu, '&amp;').replace(/</gu, '&lt;').replace(/>/gu, '&gt;');
}
