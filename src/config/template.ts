import { DEFAULT_LIMITS, type Limits } from '../domain/limits.ts';

/** A line on each limit, for somebody who has not read anything yet. */
const LIMIT_NOTES: Readonly<Record<keyof Limits, string>> = {
  windows: 'windows at work at once; each holds a connection to Postgres',
  windowRows: 'source rows that a window aims at; half to four times that once a rate is known',
  windowSeconds: 'how long a window should take, once a rate is known',
  deleteRows: 'rows that one delete may remove from a table',
  deleteBytes: 'bytes that the deletes of a partition may write again, all together',
  attempts: 'tries of a window or a delete',
  outageMinutes: 'for which a server that does not answer is waited for',
  countDrift: 'a plan is refused when counts have changed by more: 0.1 is 10 %',
  clockMarginSeconds: 'how far clocks may be apart',
  graceSeconds: 'before a row that differs is looked up again',
  looks: 'how often it is looked up again',
  mutationPollSeconds: 'between looks at a mutation, at most',
  stalledMinutes: 'without progress until a delete is called stalled',
  replicaMinutes: 'for which a replica that is away is waited for at a delete’s end',
  statementSeconds: 'within which a delete must reach its server',
  healthSeconds: 'between looks at the servers’ health',
  tenants: 'tenants of a fleet at work at once on a cluster',
  clusterWindows: 'windows of a fleet at work at once on a cluster',
  serverWindows: 'the same on a Postgres server',
  fleetWindows: 'the same in all',
  fleetFailures: 'tenants that may fail before a fleet begins nothing new',
  blastRows: 'rows that may be deleted without --confirm-rows',
};

function limitLines(): string {
  const defaults: Readonly<Record<string, number>> = { ...DEFAULT_LIMITS };
  const lines = Object.entries(LIMIT_NOTES).map(
    ([key, note]) => `#   ${`${key}: ${defaults[key]}`.padEnd(26)} # ${note}`,
  );
  return lines.join('\n');
}

/** What `refill init` writes: a `refill.config.yaml` that can be loaded as it is, with every key and its default. */
export function configTemplate(): string {
  return `# Refill's configuration. Every key is described in docs/configuration.md.
#
# No password stands in this file. \`password\` says where it is:
#   env:NAME       an environment variable
#   file:PATH      a file; a relative path begins at this file's directory
#   exec:COMMAND   what a command prints, such as a password store's

# Where Refill keeps plans, runs and proofs: a Postgres database of its own, in which it makes a schema \`refill\`.
ledger:
  host: 127.0.0.1
  port: 5432
  user: refill
  password: env:LEDGER_PASSWORD
  database: refill
  # tls: disable          # or require, or verify-full

clusters:
  # The name is yours; --cluster takes it.
  main:
    # The server that holds the source: a database for each tenant.
    postgres:
      host: 127.0.0.1
      port: 5432
      user: app
      password: env:PG_PASSWORD
      # tls: disable

    # The cluster that holds the target: likewise.
    clickhouse:
      urls:
        - http://127.0.0.1:8123
      user: default
      password: env:CH_PASSWORD
      # cluster: conversations   # its name in system.clusters, where it has several servers
      # compress: auto           # or always, or never
      # deletes: auto            # or rewrite, or lightweight

    # Find the tenants on the servers, or name them:
    tenants: discover
    # tenants:
    #   - customer: acme
    #     profile: main
    #     database: acme_main    # this is what it would be anyway

# What is re-indexed: built-in datasets by name, your own by file (./orders.dataset.ts).
datasets:
  - scorecards

# The numbers that a run keeps to. These are the defaults.
# limits:
${limitLines()}
`;
}
