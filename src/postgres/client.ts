import { Client, type ClientBase, type ClientConfig } from 'pg';

/** Where a Postgres database is, with its password already resolved. */
export interface PostgresPlace {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: string | undefined;
  readonly tls: 'disable' | 'require' | 'verify-full';
}

/** What a connection is opened with. Nothing else is sent at startup: a pooler refuses or drops what it does not know. */
export function clientConfig({ host, port, user, database, password, tls }: PostgresPlace): ClientConfig {
  return {
    host,
    port,
    user,
    database,
    // A function is never empty, so that neither PGPASSWORD nor ~/.pgpass is asked. It also stays out of what is printed.
    password: () => password ?? '',
    ssl: tls === 'disable' ? false : { rejectUnauthorized: tls === 'verify-full' },
    application_name: 'refill',
    keepAlive: true,
  };
}

/** Takes every `PG…` variable out of the environment; what it returns puts them back. */
function hideEnvironment(): () => void {
  const hidden = Object.entries(process.env).filter(([name]) => name.startsWith('PG'));
  for (const [name] of hidden) delete process.env[name];
  return () => Object.assign(process.env, Object.fromEntries(hidden));
}

/**
 * A connection that is what its options say. node-postgres reads a `PG…` variable for each option that is not given, or
 * is empty: PGOPTIONS, PGREPLICATION and PGSSLNEGOTIATION would change a session that the configuration describes.
 */
export class PgClient extends Client {
  constructor(config?: ClientConfig) {
    const restore = hideEnvironment();
    try {
      super(config);
    } finally {
      restore();
    }
  }
}

/** The backend that the server named when the connection was made: a pooler makes a number up. */
export function announcedBackend(client: Client): number | null {
  return 'processID' in client && typeof client.processID === 'number' ? client.processID : null;
}

/** The rows of several statements that are sent as one message, in their order. */
export async function rowsOfAll<Row>(client: ClientBase, statements: string): Promise<Row[]> {
  const results: unknown = await client.query(statements);
  return (Array.isArray(results) ? results : [results]).flatMap((result: { rows: Row[] }) => result.rows);
}
