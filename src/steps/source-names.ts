import { listed } from './ask-source.ts';
import type { Cluster } from './connect.ts';
import { sourceServers } from './servers.ts';

/**
 * Names Postgres servers, for limits that all clusters on one share: each by the address of the first of its clusters that
 * was asked for.
 */
export class SourceNames {
  readonly #open: (cluster: string) => Promise<Cluster>;
  readonly #byCluster = new Map<string, string>();
  readonly #byIdentity = new Map<string, string>();

  constructor(open: (cluster: string) => Promise<Cluster>) {
    this.#open = open;
  }

  /** The name of a cluster's server. While it does not answer nothing is read there, and it is asked again the next time. */
  async of(name: string): Promise<string> {
    const known = this.#byCluster.get(name);
    if (known !== undefined) return known;
    const cluster = await this.#open(name);
    const { postgres, tenants } = cluster.config;
    const address = `${postgres.host}:${postgres.port}`;
    const [first] = tenants === 'discover' ? [] : listed(cluster, tenants);
    const {
      known: [identity],
    } = await sourceServers(cluster, first?.sourceDatabase ?? 'postgres');
    if (identity === undefined) return address;
    const server = this.#byIdentity.get(identity) ?? address;
    this.#byIdentity.set(identity, server);
    this.#byCluster.set(name, server);
    return server;
  }
}
