import { z } from 'zod';
import { DELETE_CHOICES } from '../domain/delete-kind.ts';
import { DEPENDENT_ACTIONS } from '../domain/dependents.ts';
import { DEFAULT_LIMITS, type Limits } from '../domain/limits.ts';
import type { DatasetDefinition } from '../dataset/definition.ts';
import type { ScorerConfig } from './config.ts';
import { calendarSchema } from './calendar-schema.ts';
import { datasetSchema } from './dataset-schema.ts';
import { healthSchema } from './health-schema.ts';
import { reindexersSchema } from './reindexer-schema.ts';
import { moduleScorersSchema, yamlScorersSchema } from './scorer-schema.ts';
import { executorSchema, temporalSchema } from './temporal-schema.ts';
import { between, expected, host, oneOf, reference, strict, url, whole, words } from './fields.ts';

/**
 * What a configuration may hold. The descriptions are also what an editor shows (config.schema.json); defaults and
 * their reasons are in docs/configuration.md.
 */

const PASSWORD = 'The password’s reference: env:NAME, file:PATH or exec:COMMAND. Never the password itself.';

const SERVER = {
  host: host().describe('Name or address of the server, or the directory of its Unix socket.'),
  port: whole(1, 65_535).default(5432).describe('Port of the server.'),
  user: words('a user’s name').describe('User to connect as.'),
  password: reference().exactOptional().describe(PASSWORD),
  tls: oneOf(['disable', 'require', 'verify-full'])
    .default('disable')
    .describe(
      '`require` encrypts; `verify-full` also checks the certificate and the name, by the system’s certificates.',
    ),
};

const postgresSchema = strict(SERVER).describe('The Postgres server that holds a database for each tenant.');

const ledgerSchema = strict({
  ...SERVER,
  database: words('a database’s name').describe('Database of the ledger; Refill makes a schema `refill` in it.'),
}).describe('The Postgres database in which Refill keeps plans, runs and proofs.');

const clickhouseSchema = strict({
  urls: z
    .array(url(), { error: expected('a list of addresses, such as [http://host:8123]') })
    .min(1, { error: 'expected at least one address, such as http://host:8123' })
    .describe('HTTP addresses; with several, each is a way to the same cluster.'),
  user: words('a user’s name').describe('User to connect as.'),
  password: reference().exactOptional().describe(PASSWORD),
  cluster: words('a cluster’s name').exactOptional().describe('The cluster’s name in `system.clusters`.'),
  compress: oneOf(['auto', 'always', 'never'])
    .default('auto')
    .describe('Compress inserts; `auto` does so where the server is not on this machine.'),
  deletes: oneOf(DELETE_CHOICES)
    .exactOptional()
    .describe('How rows are deleted: `rewrite`, `lightweight`, or `auto` (default), which chooses for each delete.'),
}).describe('The ClickHouse cluster that holds a database for each tenant.');

/** A `/` would make `customer/profile` ambiguous on the command line. */
const tenantPart = (what: string): z.ZodString =>
  words(what).regex(/^[^/]+$/u, { error: `expected ${what} without \`/\`` });

const tenantSchema = strict({
  customer: tenantPart('a customer’s id').describe('The customer, as the source’s rows name it.'),
  profile: tenantPart('a profile’s id').describe('The profile, as the source’s rows name it.'),
  database: words('a database’s name')
    .exactOptional()
    .describe('Its database on both sides; default: `customer_profile` with `_` for what is no letter, digit or `_`.'),
  sourceDatabase: words('a database’s name')
    .exactOptional()
    .describe('Its Postgres database, where that has another name.'),
  targetDatabase: words('a database’s name').exactOptional().describe('Its ClickHouse database, likewise.'),
});

const clusterSchema = strict({
  postgres: postgresSchema,
  clickhouse: clickhouseSchema,
  calendar: calendarSchema.exactOptional(),
  reindexers: reindexersSchema.exactOptional(),
  temporal: temporalSchema.exactOptional(),
  dependents: z
    .record(words('a view’s name, or database.name'), oneOf(DEPENDENT_ACTIONS), {
      error: expected('a map of names to leave, bypass or rebuild'),
    })
    .exactOptional()
    .describe(
      'What runs do about what depends on their tables, by name: `leave`, `bypass` or `rebuild`. A name without database is of the tenant’s.',
    ),
  tenants: z
    .union(
      [
        z.literal('discover'),
        z.array(tenantSchema).min(1, { error: 'the list is empty; write `discover`, or list a tenant' }),
      ],
      { error: expected('`discover` or a list of { customer, profile, database }') },
    )
    .default('discover')
    .describe('`discover` finds the tenants on the servers; a list names them.'),
}).describe('A ClickHouse cluster with the Postgres server that belongs to it.');

const DAY_SECONDS = 86_400;
const ROWS = 1_000_000_000_000;
const BYTES = 1024 ** 5;

/**
 * The ranges keep out what cannot be meant (10 for 10 %, milliseconds for seconds) and leave room for tests. A limit that
 * is missing here, or one that is not known there, does not compile.
 */
const LIMITS = {
  windows: whole(1, 64).default(DEFAULT_LIMITS.windows).describe('Windows at work at once in a run.'),
  windowRows: whole(1, ROWS)
    .default(DEFAULT_LIMITS.windowRows)
    .describe(
      'Source rows, of all tables together, that a window aims at; once a rate is known, from half of it to four times it, as `windowSeconds` wants.',
    ),
  windowSeconds: between(0.1, DAY_SECONDS)
    .default(DEFAULT_LIMITS.windowSeconds)
    .describe('Seconds that a window aims at, once a rate is known.'),
  deleteRows: whole(1, ROWS)
    .default(DEFAULT_LIMITS.deleteRows)
    .describe('Rows that one delete may remove from a table at most.'),
  deleteBytes: whole(1, BYTES)
    .default(DEFAULT_LIMITS.deleteBytes)
    .describe('Bytes that the deletes of a partition may write again on a server, all together.'),
  attempts: whole(1, 100)
    .default(DEFAULT_LIMITS.attempts)
    .describe('Tries of a window or a delete before it counts as failed.'),
  outageMinutes: between(0, 10_080)
    .default(DEFAULT_LIMITS.outageMinutes)
    .describe('Minutes for which a server that does not answer is waited for.'),
  countDrift: between(0, 1)
    .default(DEFAULT_LIMITS.countDrift)
    .describe('A plan is refused when a count has drifted by more than this share: 0.1 is 10 %.'),
  clockMarginSeconds: between(0, 3600)
    .default(DEFAULT_LIMITS.clockMarginSeconds)
    .describe('Seconds between the epoch and the first snapshot.'),
  graceSeconds: between(0, 3600)
    .default(DEFAULT_LIMITS.graceSeconds)
    .describe('Seconds before a row that differs is looked up again.'),
  looks: whole(1, 100)
    .default(DEFAULT_LIMITS.looks)
    .describe('How often a row that differs is looked up again while its source keeps changing.'),
  mutationPollSeconds: between(0.01, 3600)
    .default(DEFAULT_LIMITS.mutationPollSeconds)
    .describe('Seconds between looks at a mutation, at most.'),
  stalledMinutes: between(0.01, 10_080)
    .default(DEFAULT_LIMITS.stalledMinutes)
    .describe('Minutes without one more part done after which a delete is called stalled.'),
  replicaMinutes: between(0, 10_080)
    .default(DEFAULT_LIMITS.replicaMinutes)
    .describe('Minutes for which a replica that does not answer is waited for at the end of a delete.'),
  statementSeconds: between(1, 3600)
    .default(DEFAULT_LIMITS.statementSeconds)
    .describe('Seconds within which a delete must reach its server; the server refuses it afterwards.'),
  healthSeconds: between(0.05, 3600)
    .default(DEFAULT_LIMITS.healthSeconds)
    .describe('Seconds between looks at the servers’ health.'),
  tenants: whole(1, 1000).default(DEFAULT_LIMITS.tenants).describe('Tenants of a fleet at work at once on a cluster.'),
  clusterWindows: whole(1, 1000)
    .default(DEFAULT_LIMITS.clusterWindows)
    .describe('Windows of a fleet at work at once on a cluster.'),
  serverWindows: whole(1, 1000)
    .default(DEFAULT_LIMITS.serverWindows)
    .describe('Windows of a fleet at work at once on a Postgres server.'),
  fleetWindows: whole(1, 1000).default(DEFAULT_LIMITS.fleetWindows).describe('Windows at work at once in a fleet.'),
  fleetFailures: whole(1, 100_000)
    .default(DEFAULT_LIMITS.fleetFailures)
    .describe('Tenants of a fleet that may fail before nothing new is begun.'),
  blastRows: whole(0, ROWS)
    .default(DEFAULT_LIMITS.blastRows)
    .describe('Rows that a plan or a fleet may delete without their number being typed with --confirm-rows.'),
} satisfies Record<keyof Limits, z.ZodDefault<z.ZodNumber>>;

const limitsSchema = strict(LIMITS).prefault({}).describe('The numbers that a run keeps to.');

const CLUSTER_NAME = 'a name of up to 63 letters, digits, `_`, `-` and `.`, a letter or digit first';

const clustersSchema = z
  .record(
    z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/u, { error: `expected ${CLUSTER_NAME}` }),
    clusterSchema,
    { error: expected('a map of clusters by name') },
  )
  .meta({ description: 'The clusters, by the names that `--cluster` takes.', minProperties: 1 });

function rootSchema<const D extends z.ZodType, const S extends z.ZodType>(dataset: D, what: string, scorers: S) {
  return strict({
    ledger: ledgerSchema,
    clusters: clustersSchema,
    datasets: z
      .array(dataset, { error: expected(`a list of ${what}`) })
      .min(1, { error: `expected at least one of ${what}, such as \`scorecards\`` })
      .describe('What is re-indexed: names of built-in datasets, or paths of modules that export one by default.'),
    scorers: scorers.exactOptional(),
    limits: limitsSchema,
    health: healthSchema,
    calendar: calendarSchema.exactOptional(),
    executor: executorSchema.exactOptional(),
    temporal: temporalSchema.exactOptional(),
  });
}

const datasetName = words('a built-in dataset’s name, or the path of a module that exports one');

/** The schema of the YAML form. */
export const yamlConfigSchema = rootSchema(datasetName, 'built-in datasets and modules', yamlScorersSchema);

/** The schema of the TypeScript form, where a dataset can stand in the list itself. */
export const moduleConfigSchema = rootSchema(
  z.union([datasetName, datasetSchema], { error: expected('a dataset’s name, a path, or what defineDataset returns') }),
  'datasets',
  moduleScorersSchema,
);

/** A configuration after the schema: complete but for its datasets, which are names and paths yet. */
export interface CheckedConfig extends Omit<z.output<typeof yamlConfigSchema>, 'datasets' | 'scorers'> {
  readonly datasets: readonly (string | DatasetDefinition)[];
  readonly scorers?: Readonly<Record<string, ScorerConfig>>;
}
