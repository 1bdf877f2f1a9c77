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
  unsettled bigint NOT NULL,
  source_sum text NOT NULL,
  target_sum text NOT NULL
);
CREATE INDEX proof_owner ON refill.proof (owner, range_from, id);

-- Sorts in the order in which kinds are reported.
CREATE TYPE refill.drift_kind AS ENUM ('missing', 'extra', 'stale', 'duplicated');
CREATE TABLE refill.drift (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner text COLLATE "C" NOT NULL,
  delete_id integer,
  round integer,
  table_name text COLLATE "C" NOT NULL,
  kind refill.drift_kind NOT NULL,
  key text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  time timestamptz
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

/** All steps of the schema, in order. */
export const MIGRATIONS: readonly Migration[] = [
  { number: 1, name: 'plans and runs', sql: PLANS_AND_RUNS },
  { number: 2, name: 'windows and deletes', sql: WINDOWS_AND_DELETES },
  { number: 3, name: 'proofs and audit', sql: PROOFS_AND_AUDIT },
];
