import { SLOTS } from './slot-migration.ts';

/** A step of the schema. Once released it is never changed: a later one corrects it. */
export interface Migration {
  /** From 1, without gaps. */
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

/** A time with microseconds in UTC, kept as text because it has to come back exactly as it was given. */
const MICROSECONDS = String.raw`'^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$'`;

const PLANS_AND_RUNS = `
CREATE TABLE refill.plan (
  id text COLLATE "C" PRIMARY KEY,
  created_at timestamptz NOT NULL,
  -- What a list of plans shows, so that it need not read the bodies.
  summary jsonb NOT NULL,
  body jsonb NOT NULL
);
CREATE INDEX plan_created ON refill.plan (created_at DESC, id);

CREATE TABLE refill.run (
  id text COLLATE "C" PRIMARY KEY,
  plan text COLLATE "C" NOT NULL REFERENCES refill.plan (id),
  cluster text NOT NULL,
  customer text NOT NULL,
  profile text NOT NULL,
  source_database text NOT NULL,
  target_database text NOT NULL,
  dataset text NOT NULL,
  strategy text NOT NULL CHECK (strategy IN ('purge', 'replace')),
  range_from timestamptz NOT NULL,
  range_to timestamptz NOT NULL CHECK (range_from < range_to),
  state text NOT NULL CHECK (state IN ('running', 'paused', 'cancelled', 'failed', 'differences', 'succeeded')),
  wanted text NOT NULL DEFAULT 'run' CHECK (wanted IN ('run', 'pause', 'cancel')),
  epoch text CHECK (epoch ~ ${MICROSECONDS}),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  seconds double precision NOT NULL DEFAULT 0,
  error jsonb,
  -- Who took the run's advisory lock last; true only while that backend still holds it (pg_locks).
  holder jsonb,
  holder_since timestamptz,
  holder_seen timestamptz,
  holder_backend integer
);
CREATE INDEX run_created ON refill.run (created_at DESC, id);
CREATE INDEX run_tenant ON refill.run (cluster, customer, profile, dataset, range_from);
`;

const WINDOWS_AND_DELETES = `
CREATE TABLE refill.run_delete (
  run text COLLATE "C" NOT NULL REFERENCES refill.run (id),
  id integer NOT NULL,
  range_from timestamptz NOT NULL,
  range_to timestamptz NOT NULL CHECK (range_from < range_to),
  state text NOT NULL CHECK (state IN ('pending', 'submitted', 'assigned', 'finished', 'proven', 'failed')),
  -- Raised by retry. Mutations, proofs and drift carry the round in which they were made; older ones are history.
  round integer NOT NULL DEFAULT 1,
  rows_deleted bigint NOT NULL DEFAULT 0,
  differences bigint NOT NULL DEFAULT 0,
  error jsonb,
  PRIMARY KEY (run, id)
);

CREATE TABLE refill.run_window (
  run text COLLATE "C" NOT NULL,
  id integer NOT NULL,
  delete_id integer NOT NULL,
  range_from timestamptz NOT NULL,
  range_to timestamptz NOT NULL CHECK (range_from < range_to),
  source_rows bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'writing', 'written', 'done', 'failed')),
  attempts integer NOT NULL DEFAULT 0,
  attempts_before_retry integer NOT NULL DEFAULT 0,
  -- Rows of the last attempt that is done.
  rows bigint NOT NULL DEFAULT 0,
  -- Before a purge deletes: whether its rows were shown to fit the target, and the codes of tries that failed.
  rehearsed boolean NOT NULL DEFAULT false,
  rehearsal_failures text[] NOT NULL DEFAULT '{}',
  started_at timestamptz,
  finished_at timestamptz,
  error jsonb,
  PRIMARY KEY (run, id),
  FOREIGN KEY (run, delete_id) REFERENCES refill.run_delete (run, id)
);
CREATE INDEX run_window_delete ON refill.run_window (run, delete_id);

CREATE TABLE refill.attempt (
  run text COLLATE "C" NOT NULL,
  window_id integer NOT NULL,
  attempt integer NOT NULL,
  state text NOT NULL CHECK (state IN ('started', 'done', 'abandoned')),
  version text NOT NULL CHECK (version ~ ${MICROSECONDS}),
  queries jsonb NOT NULL,
  rows bigint,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  error jsonb,
  PRIMARY KEY (run, window_id, attempt),
  FOREIGN KEY (run, window_id) REFERENCES refill.run_window (run, id)
);
CREATE INDEX attempt_done ON refill.attempt (finished_at DESC) WHERE state = 'done';

CREATE TABLE refill.source_sums (
  run text COLLATE "C" NOT NULL,
  window_id integer NOT NULL,
  attempt integer NOT NULL,
  position integer NOT NULL,
  table_name text NOT NULL,
  rows bigint NOT NULL,
  excluded jsonb NOT NULL,
  buckets jsonb NOT NULL,
  PRIMARY KEY (run, window_id, attempt, table_name),
  FOREIGN KEY (run, window_id, attempt) REFERENCES refill.attempt (run, window_id, attempt)
);

CREATE TABLE refill.mutation (
  run text COLLATE "C" NOT NULL,
  nonce text NOT NULL,
  delete_id integer NOT NULL,
  round integer NOT NULL,
  position integer NOT NULL,
  table_name text NOT NULL,
  statement text NOT NULL,
  ids jsonb NOT NULL DEFAULT '[]',
  rows bigint,
  state text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'assigned', 'finished')),
  PRIMARY KEY (run, nonce),
  FOREIGN KEY (run, delete_id) REFERENCES refill.run_delete (run, id)
);
CREATE INDEX mutation_delete ON refill.mutation (run, delete_id, round);
`;

const PROOFS_AND_AUDIT = `
CREATE TABLE refill.verification (
  id text COLLATE "C" PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  run text COLLATE "C" REFERENCES refill.run (id),
  tenant jsonb NOT NULL,
  dataset text NOT NULL,
  range_from timestamptz NOT NULL,
  range_to timestamptz NOT NULL,
  unproven jsonb NOT NULL,
  ok boolean,
  finished_at timestamptz
);
CREATE INDEX verification_at ON refill.verification (at DESC, id);

-- The owner is a run or a verification; only a run's rows name a delete and a round of it.
CREATE TABLE refill.proof (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner text COLLATE "C" NOT NULL,
  delete_id integer,
  round integer,
  table_name text COLLATE "C" NOT NULL,
  range_from timestamptz NOT NULL,
  range_to timestamptz NOT NULL,
  window_id integer,
  snapshot timestamptz NOT NULL,
  source bigint NOT NULL,
  target bigint NOT NULL,
  excluded jsonb NOT NULL,
  missing bigint NOT NULL,
  extra bigint NOT NULL,
  stale bigint NOT NULL,
  duplicated bigint NOT NULL,
  unexplained bigint NOT NULL,
  surplus bigint NOT NULL,
  unsettled bigint NOT NULL,
  source_sum text NOT NULL,
  target_sum text NOT NULL
);
CREATE INDEX proof_owner ON refill.proof (owner, range_from, id);

-- Sorts in the order in which kinds are reported.
CREATE TYPE refill.drift_kind AS ENUM ('missing', 'extra', 'stale', 'duplicated', 'unexplained');
CREATE TABLE refill.drift (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner text COLLATE "C" NOT NULL,
  delete_id integer,
  round integer,
  table_name text COLLATE "C" NOT NULL,
  kind refill.drift_kind NOT NULL,
  key text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  time timestamptz,
  -- Rows with the key on each side.
  source_rows integer NOT NULL,
  target_rows integer NOT NULL,
  -- Names of columns that differ.
  columns jsonb NOT NULL,
  -- Times outside of the range at which the target has the key too.
  elsewhere jsonb NOT NULL,
  query text
);
CREATE INDEX drift_owner ON refill.drift (owner, table_name, kind, key);

CREATE TABLE refill.audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor jsonb NOT NULL,
  action text NOT NULL,
  subject text COLLATE "C" NOT NULL,
  details jsonb NOT NULL
);
CREATE INDEX audit_subject ON refill.audit (subject, id);
`;

const FLEETS = `
CREATE TABLE refill.fleet (
  id text COLLATE "C" PRIMARY KEY,
  created_at timestamptz NOT NULL,
  body jsonb NOT NULL,
  state text NOT NULL DEFAULT 'planned'
    CHECK (state IN ('planned', 'running', 'paused', 'cancelled', 'failed', 'differences', 'succeeded')),
  wanted text NOT NULL DEFAULT 'run' CHECK (wanted IN ('run', 'pause', 'cancel')),
  begun_at timestamptz,
  finished_at timestamptz,
  seconds double precision NOT NULL DEFAULT 0,
  error jsonb,
  -- As in refill.run.
  holder jsonb,
  holder_since timestamptz,
  holder_seen timestamptz,
  holder_backend integer
);
CREATE INDEX fleet_created ON refill.fleet (created_at DESC, id);

-- A tenant's run is the newest one of its plan, which was made for this fleet alone: a run that was made just before
-- its program was killed is found again, and nothing else has to be kept in step with it.
CREATE TABLE refill.fleet_member (
  fleet text COLLATE "C" NOT NULL REFERENCES refill.fleet (id),
  position integer NOT NULL,
  cluster text COLLATE "C" NOT NULL,
  customer text NOT NULL,
  profile text NOT NULL,
  plan text COLLATE "C" REFERENCES refill.plan (id),
  rows_before bigint NOT NULL,
  rows_to_write bigint NOT NULL,
  problem jsonb,
  -- Why its run could not begin or go on.
  error jsonb,
  PRIMARY KEY (fleet, position),
  CHECK ((plan IS NULL) = (problem IS NOT NULL))
);
CREATE INDEX run_plan ON refill.run (plan, created_at DESC, id);
`;

/**
 * Numbers of each run, kept by triggers in the transaction that changes its windows or deletes: summing a million
 * windows for each look at a fleet would take longer than somebody waits.
 */
const TALLIES = `
-- Rows in the target by the proofs of the delete; null before. Rows that a retry deleted once more.
ALTER TABLE refill.run_delete ADD COLUMN rows_after bigint, ADD COLUMN rows_again bigint NOT NULL DEFAULT 0;

CREATE TABLE refill.run_tally (
  run text COLLATE "C" PRIMARY KEY REFERENCES refill.run (id),
  rows_written bigint NOT NULL DEFAULT 0,
  rows_deleted bigint NOT NULL DEFAULT 0,
  rows_after bigint NOT NULL DEFAULT 0,
  differences bigint NOT NULL DEFAULT 0,
  deleted_again bigint NOT NULL DEFAULT 0,
  -- Rows of attempts that were done, and whose windows were written once more.
  written_again bigint NOT NULL DEFAULT 0,
  -- Deletes that are proven: without any, the differences are unknown.
  proven integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE FUNCTION refill.tally_windows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO refill.run_tally AS t (run, rows_written)
    SELECT run, sum(rows) FROM made GROUP BY run
        ON CONFLICT (run) DO UPDATE SET rows_written = t.rows_written + excluded.rows_written;
  ELSE
    UPDATE refill.run_tally t SET rows_written = t.rows_written + c.rows
      FROM (SELECT run, sum(rows) AS rows
              FROM (SELECT run, rows FROM made UNION ALL SELECT run, -rows FROM was) x
             GROUP BY run HAVING sum(rows) <> 0) c
     WHERE t.run = c.run;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER tally_made AFTER INSERT ON refill.run_window
  REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION refill.tally_windows();
CREATE TRIGGER tally_changed AFTER UPDATE ON refill.run_window
  REFERENCING OLD TABLE AS was NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION refill.tally_windows();

CREATE FUNCTION refill.tally_deletes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO refill.run_tally AS t (run, rows_deleted, rows_after, differences, deleted_again, proven)
  SELECT run, sum(deleted), sum(after), sum(differences), sum(again), sum(proven)
    FROM (
      SELECT run, rows_deleted AS deleted, CASE WHEN state = 'proven' THEN coalesce(rows_after, 0) ELSE 0 END AS after,
             differences, rows_again AS again, (state = 'proven')::integer AS proven
        FROM made
      UNION ALL
      SELECT run, -rows_deleted, CASE WHEN state = 'proven' THEN -coalesce(rows_after, 0) ELSE 0 END, -differences,
             -rows_again, -(state = 'proven')::integer
        FROM was
    ) x
   GROUP BY run
  HAVING sum(deleted) <> 0 OR sum(after) <> 0 OR sum(differences) <> 0 OR sum(again) <> 0 OR sum(proven) <> 0
      ON CONFLICT (run) DO UPDATE SET rows_deleted = t.rows_deleted + excluded.rows_deleted,
        rows_after = t.rows_after + excluded.rows_after, differences = t.differences + excluded.differences,
        deleted_again = t.deleted_again + excluded.deleted_again, proven = t.proven + excluded.proven;
  RETURN NULL;
END $$;
-- A delete is made with zeros.
CREATE TRIGGER tally_changed AFTER UPDATE ON refill.run_delete
  REFERENCING OLD TABLE AS was NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION refill.tally_deletes();

INSERT INTO refill.run_tally (run, rows_written, rows_deleted, differences)
SELECT r.id, w.rows, d.deleted, d.differences
  FROM refill.run r
  CROSS JOIN LATERAL (SELECT coalesce(sum(rows), 0) AS rows FROM refill.run_window WHERE run = r.id) w
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(rows_deleted), 0) AS deleted, coalesce(sum(differences), 0) AS differences
      FROM refill.run_delete WHERE run = r.id
  ) d;
`;

const LIVE_LIMITS = `
CREATE TABLE refill.live_limit (
  -- '' is every cluster that has none of its own.
  cluster text COLLATE "C" PRIMARY KEY,
  windows integer NOT NULL CHECK (windows >= 0),
  actor jsonb NOT NULL,
  set_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
`;

const EXECUTORS = `
-- Runs and fleets of before were done by the program that began them.
ALTER TABLE refill.run ADD COLUMN executor text NOT NULL DEFAULT 'local', ADD COLUMN workflow text;
ALTER TABLE refill.fleet ADD COLUMN executor text NOT NULL DEFAULT 'local', ADD COLUMN workflow text;
`;

const BACKFILLS = `
CREATE TABLE refill.backfill (
  id text COLLATE "C" PRIMARY KEY,
  created_at timestamptz NOT NULL,
  body jsonb NOT NULL,
  state text NOT NULL DEFAULT 'planned'
    CHECK (state IN ('planned', 'running', 'paused', 'failed', 'incomplete', 'succeeded')),
  cursor jsonb,
  tally jsonb NOT NULL DEFAULT '{"judged": 0, "unjudged": 0, "scorecardsCreated": 0, "scorecardsChanged": 0,
    "scorecardsUnchanged": 0, "scoresCreated": 0, "scoresChanged": 0, "scoresKept": 0}',
  touched jsonb,
  -- What was about to be committed in the source, with the number of its transaction there.
  pending jsonb,
  after jsonb,
  run text COLLATE "C" REFERENCES refill.run (id),
  seconds double precision NOT NULL DEFAULT 0,
  finished_at timestamptz,
  error jsonb,
  holder jsonb,
  holder_since timestamptz,
  holder_seen timestamptz,
  holder_backend integer
);
CREATE INDEX backfill_created ON refill.backfill (created_at DESC, id);
CREATE TABLE refill.backfill_unjudged (
  backfill text COLLATE "C" NOT NULL REFERENCES refill.backfill (id),
  item text COLLATE "C" NOT NULL,
  code text NOT NULL,
  message text NOT NULL,
  PRIMARY KEY (backfill, item)
);
`;

const STEERED_BACKFILLS = `
-- The run that re-indexes is the newest one of this plan: a run that was made just before its program was killed is
-- found again. Backfills of before have it in "run".
ALTER TABLE refill.backfill
  ADD COLUMN wanted text NOT NULL DEFAULT 'run' CHECK (wanted IN ('run', 'pause', 'cancel')),
  ADD COLUMN reindex_plan text COLLATE "C" REFERENCES refill.plan (id),
  DROP CONSTRAINT backfill_state_check,
  ADD CONSTRAINT backfill_state_check
    CHECK (state IN ('planned', 'running', 'paused', 'cancelled', 'failed', 'incomplete', 'succeeded'));
`;

const CHANGES = `
-- The transaction that has changed it last: who follows a run reads what has changed, and not all of it each time. Rows of
-- before are older than any look.
ALTER TABLE refill.run_window ADD COLUMN changed xid8 NOT NULL DEFAULT '0';
ALTER TABLE refill.run_delete ADD COLUMN changed xid8 NOT NULL DEFAULT '0';
ALTER TABLE refill.run_window ALTER COLUMN changed SET DEFAULT pg_current_xact_id();
ALTER TABLE refill.run_delete ALTER COLUMN changed SET DEFAULT pg_current_xact_id();
CREATE INDEX run_window_changed ON refill.run_window (run, changed);
CREATE INDEX run_delete_changed ON refill.run_delete (run, changed);

CREATE FUNCTION refill.mark_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed := pg_current_xact_id();
  RETURN NEW;
END $$;
CREATE TRIGGER mark_change BEFORE UPDATE ON refill.run_window FOR EACH ROW EXECUTE FUNCTION refill.mark_change();
CREATE TRIGGER mark_change BEFORE UPDATE ON refill.run_delete FOR EACH ROW EXECUTE FUNCTION refill.mark_change();
`;

const LATE_ROWS = `
-- Rows that came late to it and are being deleted; they are added to rows_deleted when they are gone.
ALTER TABLE refill.run_delete ADD COLUMN rows_late bigint NOT NULL DEFAULT 0;
`;

const FLEET_CHANGES = `
-- As of windows: who follows a fleet reads the tenants that have changed. A tenant changes with its run.
ALTER TABLE refill.run ADD COLUMN changed xid8 NOT NULL DEFAULT '0';
ALTER TABLE refill.fleet_member ADD COLUMN changed xid8 NOT NULL DEFAULT '0';
ALTER TABLE refill.run ALTER COLUMN changed SET DEFAULT pg_current_xact_id();
ALTER TABLE refill.fleet_member ALTER COLUMN changed SET DEFAULT pg_current_xact_id();
CREATE INDEX run_changed ON refill.run (changed);
CREATE INDEX fleet_member_changed ON refill.fleet_member (fleet, changed);
CREATE INDEX fleet_member_plan ON refill.fleet_member (plan);
-- That its program is alive is no change.
CREATE TRIGGER mark_change BEFORE UPDATE ON refill.run
  FOR EACH ROW
  WHEN (OLD.holder_seen IS NOT DISTINCT FROM NEW.holder_seen OR OLD.holder_since IS DISTINCT FROM NEW.holder_since)
  EXECUTE FUNCTION refill.mark_change();
CREATE TRIGGER mark_change BEFORE UPDATE ON refill.fleet_member FOR EACH ROW EXECUTE FUNCTION refill.mark_change();
`;

const SENT = `
-- Statements that were sent to a target and not answered: until when the server takes them, should they arrive.
CREATE TABLE refill.sent_statement (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- What it is known by, as 'refill RUN delete N TABLE ID'.
  mark text COLLATE "C" NOT NULL,
  until timestamptz NOT NULL
);
`;

/** All steps of the schema, in order. */
export const MIGRATIONS: readonly Migration[] = [
  { number: 1, name: 'plans and runs', sql: PLANS_AND_RUNS },
  { number: 2, name: 'windows and deletes', sql: WINDOWS_AND_DELETES },
  { number: 3, name: 'proofs and audit', sql: PROOFS_AND_AUDIT },
  { number: 4, name: 'fleets', sql: FLEETS },
  { number: 5, name: 'tallies', sql: TALLIES },
  { number: 6, name: 'live limits', sql: LIVE_LIMITS },
  { number: 7, name: 'executors', sql: EXECUTORS },
  { number: 8, name: 'backfills', sql: BACKFILLS },
  { number: 9, name: 'steered backfills', sql: STEERED_BACKFILLS },
  { number: 10, name: 'changes', sql: CHANGES },
  { number: 11, name: 'late rows', sql: LATE_ROWS },
  { number: 12, name: 'changes of fleets', sql: FLEET_CHANGES },
  { number: 13, name: 'slots', sql: SLOTS },
  { number: 14, name: 'sent statements', sql: SENT },
];
