/**
 * Slots of windows, counted over all programs that share the ledger.
 *
 * A program has its slots by a lease with a beat, and not by locks of a session. A session ends with its connection: a
 * restart of the ledger, or a network that breaks for a moment, would give away the slots of all windows at work at the
 * same instant, and there would be twice as many readers, which is what slots are there against. A process that hangs would
 * keep a lock for ever, though nobody waits for its windows any more: Temporal hands them on after 15 s. And a session needs
 * a connection of its own. With a lease:
 * - `kill -9`: doubted 5 s after its last beat, by whoever asks next, and gone 5 s after that. So who waits has its slots
 *   10 s after the kill, which is sooner than Temporal hands its windows on.
 * - A process that hangs: the same. When it wakes up, it says at its next beat what it has, and that counts, be it over the
 *   limit: nothing new begins until it is done.
 * - A ledger that was away: nobody could beat, and nobody is dead. That is why a program is doubted first: each has 5 s from
 *   the first question on that reaches the ledger, and beats every 2 s.
 * - A connection that was lost: the next beat goes through another one.
 *
 * Whoever has waited longest goes first. A program that was refused leaves a mark, once for each of its places; while it
 * goes on asking, those who came later are refused where it waits, from the third second on: were it at once, programs with
 * windows of a moment would wait for each other's questions after every one of them. A program that has got a slot begins
 * to wait anew.
 *
 * Nothing here waits for the disk: what a crash of the ledger loses is told again with the next beat.
 */
export const SLOTS = `
CREATE TABLE refill.slot_holder (
  id text COLLATE "C" PRIMARY KEY,
  actor jsonb NOT NULL,
  beat_at timestamptz NOT NULL,
  doubted_at timestamptz
);
CREATE TABLE refill.slot (
  holder text COLLATE "C" NOT NULL,
  number integer NOT NULL,
  cluster text COLLATE "C" NOT NULL,
  server text COLLATE "C" NOT NULL,
  run text COLLATE "C" NOT NULL,
  window_id integer,
  since timestamptz NOT NULL,
  PRIMARY KEY (holder, number)
);
CREATE TABLE refill.slot_wait (
  holder text COLLATE "C" NOT NULL,
  cluster text COLLATE "C" NOT NULL,
  server text COLLATE "C" NOT NULL,
  -- What was full when it asked last.
  full_of text NOT NULL CHECK (full_of IN ('server', 'cluster', 'fleet')),
  since timestamptz NOT NULL,
  -- When it asked last.
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (holder, cluster, server)
);

-- Who counts and takes does so alone. In one function: between two statements the lock would be kept over the network.
CREATE FUNCTION refill.lock_slots(me text, my_actor jsonb) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
  this_instant timestamptz;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  PERFORM pg_advisory_xact_lock(hashtextextended('refill.slot', 3));
  this_instant := clock_timestamp();
  INSERT INTO refill.slot_holder AS h (id, actor, beat_at) VALUES (me, my_actor, this_instant)
      ON CONFLICT (id) DO UPDATE SET beat_at = this_instant, doubted_at = NULL WHERE h.beat_at < this_instant - interval '1 second';
  UPDATE refill.slot_holder SET doubted_at = this_instant WHERE doubted_at IS NULL AND beat_at < this_instant - interval '5 seconds';
  WITH gone AS (DELETE FROM refill.slot_holder WHERE doubted_at < this_instant - interval '5 seconds' RETURNING id),
       slots AS (DELETE FROM refill.slot s USING gone WHERE s.holder = gone.id)
  DELETE FROM refill.slot_wait w USING gone WHERE w.holder = gone.id;
  RETURN this_instant;
END $$;

CREATE FUNCTION refill.take_slot(ask jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  me CONSTANT text := ask ->> 'holder';
  its_number CONSTANT integer := ask ->> 'number';
  its_cluster CONSTANT text := ask ->> 'cluster';
  its_server CONSTANT text := ask ->> 'server';
  limits CONSTANT jsonb := ask -> 'limits';
  this_instant CONSTANT timestamptz := refill.lock_slots(me, ask -> 'actor');
  used record;
  scope text;
  my_turn boolean := true;
  waits_since timestamptz;
BEGIN
  PERFORM FROM refill.slot WHERE holder = me AND number = its_number;
  IF FOUND THEN RETURN NULL; END IF;
  SELECT count(*) FILTER (WHERE server = its_server) AS on_server,
         count(*) FILTER (WHERE cluster = its_cluster) AS on_cluster,
         count(*) AS in_all
    INTO used FROM refill.slot;
  scope := CASE WHEN used.on_server >= (limits ->> 'server')::integer THEN 'server'
                WHEN used.on_cluster >= (limits ->> 'cluster')::integer THEN 'cluster'
                WHEN used.in_all >= (limits ->> 'fleet')::integer THEN 'fleet' END;
  -- A mark of 5 s ago is of somebody who does not wait any more.
  SELECT since INTO waits_since FROM refill.slot_wait
   WHERE holder = me AND cluster = its_cluster AND server = its_server AND seen_at > this_instant - interval '5 seconds';
  IF scope IS NULL THEN
    SELECT full_of INTO scope FROM refill.slot_wait
     WHERE holder <> me AND seen_at > this_instant - interval '5 seconds'
       AND since < least(this_instant - interval '2 seconds', coalesce(waits_since, 'infinity'))
       AND CASE full_of WHEN 'server' THEN server = its_server WHEN 'cluster' THEN cluster = its_cluster ELSE true END
     ORDER BY since LIMIT 1;
    my_turn := scope IS NULL;
  END IF;
  IF scope IS NULL THEN
    DELETE FROM refill.slot_wait WHERE holder = me AND cluster = its_cluster AND server = its_server;
    INSERT INTO refill.slot (holder, number, cluster, server, run, window_id, since)
    VALUES (me, its_number, its_cluster, its_server, ask ->> 'run', (ask ->> 'window')::integer, this_instant);
    RETURN NULL;
  END IF;
  INSERT INTO refill.slot_wait AS w (holder, cluster, server, full_of, since, seen_at)
  VALUES (me, its_cluster, its_server, scope, this_instant, this_instant)
      ON CONFLICT (holder, cluster, server)
      DO UPDATE SET full_of = scope, since = coalesce(waits_since, this_instant), seen_at = this_instant;
  RETURN (
    SELECT jsonb_build_object('full', scope, 'turn', NOT my_turn, 'used', count(*),
                              'others', count(*) FILTER (WHERE holder <> me))
      FROM refill.slot
     WHERE CASE scope WHEN 'server' THEN server = its_server WHEN 'cluster' THEN cluster = its_cluster ELSE true END
  );
END $$;

CREATE FUNCTION refill.free_slot(me text, its_number integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  DELETE FROM refill.slot WHERE holder = me AND number = its_number;
END $$;

CREATE FUNCTION refill.keep_slots(kept jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  me CONSTANT text := kept ->> 'holder';
  this_instant CONSTANT timestamptz := refill.lock_slots(me, kept -> 'actor');
BEGIN
  DELETE FROM refill.slot
   WHERE holder = me AND number NOT IN (SELECT (one ->> 'number')::integer FROM jsonb_array_elements(kept -> 'held') one);
  INSERT INTO refill.slot (holder, number, cluster, server, run, window_id, since)
  SELECT me, number, cluster, server, run, "window", this_instant
    FROM jsonb_to_recordset(kept -> 'held')
      AS h (number integer, cluster text, server text, run text, "window" integer)
      ON CONFLICT (holder, number) DO NOTHING;
END $$;

CREATE FUNCTION refill.leave_slots(me text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  DELETE FROM refill.slot WHERE holder = me;
  DELETE FROM refill.slot_wait WHERE holder = me;
  DELETE FROM refill.slot_holder WHERE id = me;
END $$;
`;
