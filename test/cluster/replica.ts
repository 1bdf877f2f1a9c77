import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { engineConfig, usersConfig, type ClickHouseFiles } from '../../src/embedded/clickhouse-config.ts';
import { forgetSystemTables, LISTEN_FOR_EVER, waitUntilReady } from '../../src/embedded/clickhouse.ts';
import { CLICKHOUSE_CLUSTER, LOOPBACK } from '../../src/embedded/info.ts';
import type { Launch } from '../../src/embedded/launcher.ts';
import type { ClusterNode } from './cluster.ts';
import type { ServerStart } from './server.ts';

export interface Layout {
  readonly dir: string;
  /** libchdb.so */
  readonly library: string;
  /** launch.c, compiled. */
  readonly launcher: string;
  readonly launch: Launch;
  readonly nodes: readonly ClusterNode[];
  readonly zookeeperPort: number;
  /** Seconds by which a node's clock is ahead of the machine's, by its name. */
  readonly clocks: Readonly<Record<string, number>>;
}

/** Where replicas fetch parts from each other: the port of queries, on another address of loopback. */
const INTERSERVER_HOST = '127.0.0.2';
/** As ClickHouse's servers have it, so that `system.distributed_ddl_queue` finds it. */
const DDL_QUEUE = '/clickhouse/task_queue/ddl';
const DDL_REPLICAS = '/clickhouse/task_queue/replicas';
/** How long a killed replica counts as alive: shorter than the server's 30 s, for tests that wait for it. */
const SESSION_TIMEOUT_MS = 3000;
/** How long ON CLUSTER waits for a dead replica where the statement does not say; the server's 180 s would be too long. */
const DDL_TIMEOUT_SECONDS = 20;
const MAX_MEMORY_BYTES = 2_000_000_000;
const START_TIMEOUT_MS = 60_000;

/** One ClickHouse replica. */
export function replica(layout: Layout, node: ClusterNode): ServerStart {
  const home = join(layout.dir, node.name);
  const files: ClickHouseFiles = {
    log: join(home, 'server.log'),
    errorLog: join(home, 'error.log'),
    users: join(home, 'users.xml'),
  };
  const output = join(home, 'output.log');
  const http = httpPort(node);
  return {
    launch: async () => {
      await mkdir(home, { recursive: true });
      await forgetSystemTables(home);
      const config = join(home, 'config.xml');
      const place = placeInCluster(layout, node);
      await writeFile(config, engineConfig(files, { http, tcp: node.tcp }, MAX_MEMORY_BYTES, place));
      await writeFile(files.users, usersConfig([]));
      return await layout.launch({
        file: layout.launcher,
        args: [
          layout.library,
          INTERSERVER_HOST,
          String(http),
          DDL_QUEUE,
          DDL_REPLICAS,
          String(layout.clocks[node.name] ?? 0),
          'clickhouse',
          `--config-file=${config}`,
          `--path=${join(home, 'data')}`,
          // Of these, what config.xml and users.xml say is not heeded.
          '--log-level=information',
          '--mutations_sync=0',
          `--distributed_ddl_task_timeout=${DDL_TIMEOUT_SECONDS}`,
          '-q',
          LISTEN_FOR_EVER,
        ],
        cwd: home,
        log: output,
      });
    },
    ready: async (process) => {
      await waitUntilReady(process, [output, files.errorLog], http, START_TIMEOUT_MS);
    },
  };
}

const httpPort = (node: ClusterNode) => Number(new URL(node.http).port);

/** Where it listens, who the others are, and where they meet. */
function placeInCluster({ nodes, zookeeperPort }: Layout, node: ClusterNode): string {
  const shards = [...new Set(nodes.map(({ shard }) => shard))].map((of) => {
    const replicas = nodes
      .filter(({ shard }) => shard === of)
      .map(({ tcp }) => `<replica><host>${LOOPBACK}</host><port>${tcp}</port></replica>`);
    return `<shard><internal_replication>true</internal_replication>${replicas.join('')}</shard>`;
  });
  return `<!-- The launcher makes the second one serve part fetches. -->
  <listen_host>${LOOPBACK}</listen_host>
  <listen_host>${INTERSERVER_HOST}</listen_host>
  <remote_servers><${CLICKHOUSE_CLUSTER}>
    ${shards.join('\n    ')}
  </${CLICKHOUSE_CLUSTER}></remote_servers>
  <macros><cluster>${CLICKHOUSE_CLUSTER}</cluster><shard>${node.shard}</shard><replica>${node.name}</replica></macros>
  <zookeeper>
    <node><host>${LOOPBACK}</host><port>${zookeeperPort}</port></node>
    <session_timeout_ms>${SESSION_TIMEOUT_MS}</session_timeout_ms>
    <!-- One a node: the engine has no UUID of its own to tell its sessions from the others'. -->
    <sessions_path>/clickhouse/sessions/${node.name}</sessions_path>
  </zookeeper>
  <distributed_ddl><path>${DDL_QUEUE}</path></distributed_ddl>`;
}
