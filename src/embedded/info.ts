/** What runs under a directory. Handed out to tests and commands; `password` and `url` are secrets: never print them. */
export interface EmbeddedInfo {
  /** The directory of the stack, absolute. */
  readonly dir: string;
  /** The configuration file that points Refill at the two servers. */
  readonly config: string;
  readonly postgres: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly password: string;
    /** With the password in it, and the ledger's database. */
    readonly url: string;
  };
  readonly clickhouse: {
    /** `http://127.0.0.1:PORT`. */
    readonly http: string;
    /** The port of its place in the cluster. A guarded engine does not listen there. */
    readonly tcp: number;
    readonly user: string;
    /** Empty for `default`, where the engine is not guarded. */
    readonly password: string;
  };
  /** No dashboard belongs to the stack yet. */
  readonly dashboard: null;
  readonly pids: { readonly postgres: number; readonly clickhouse: number };
}

/** One more user of the ClickHouse engine, for tests of rights and of wrong passwords. */
export interface ClickHouseUser {
  readonly name: string;
  readonly password: string;
  /** Whole statements, for example `GRANT SELECT, INSERT ON *.*`. Without any, the user may do everything. */
  readonly grants?: readonly string[];
  /** What its settings profile sets. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Settings of its profile that it may not change. */
  readonly fixed?: readonly string[];
  /** Row policies: which rows it sees, by database and table. */
  readonly sees?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface EmbeddedOptions {
  /** Where data, logs, secrets and `refill.config.yaml` go. It is made when it is not there. */
  readonly dir: string;
  /** Ports to use. Default: those of the last start if they are free, else free ones. */
  readonly ports?: { readonly postgres?: number; readonly http?: number; readonly tcp?: number };
  /**
   * The servers end with this process, however it ends, `kill -9` included. Default false: they stay until
   * `stopEmbedded`. It has no effect on servers that already run.
   */
  readonly attached?: boolean;
  /** With `attached`: `dir` is removed too when this process ends. Default false. */
  readonly temporary?: boolean;
  /**
   * ClickHouse is for one user with a password, over HTTP alone, and without access to files. Default false, for tests:
   * user `default` has no password. An engine that was guarded once stays so.
   */
  readonly guarded?: boolean;
  /** More ClickHouse users, read when the engine starts; kept from the last start when not given. */
  readonly clickhouseUsers?: readonly ClickHouseUser[];
  /** How long each server may take to answer, in milliseconds. Default 60,000: a Postgres that was killed recovers first. */
  readonly timeoutMs?: number;
}

export const LOOPBACK = '127.0.0.1';
/** The superuser of the embedded Postgres, and the name of the ledger's database in it. */
export const POSTGRES_USER = 'refill';
export const LEDGER_DATABASE = 'refill';
/** The cluster name that the users' `Distributed` tables are made with. */
export const CLICKHOUSE_CLUSTER = 'conversations';
