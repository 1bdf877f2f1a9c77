import type { Finding } from '../domain/events.ts';
import { withSource } from '../source/postgres.ts';
import type { Workbench } from './workbench.ts';

/** Seconds that a standby may be behind before it is said, as the health limit slows a run, and before a run is refused. */
const STANDBY_WARNING_SECONDS = 30;
const STANDBY_ERROR_SECONDS = 3600;

/** Search paths under which a name without a schema is what it is for Refill. */
const USUAL_PATHS = ['"$user", public', '$user, public', 'public'];

interface Facts extends Record<string, unknown> {
  readonly standby: boolean;
  /** Seconds since the last commit that a standby has replayed; null where it has replayed none. */
  readonly behind: string | null;
  /** It has replayed all that it has received; null where it receives nothing. */
  readonly caught_up: boolean | null;
  readonly path: string;
}

const FACTS = `SELECT pg_is_in_recovery() AS standby,
  round(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::numeric, 1)::text AS behind,
  CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() END AS caught_up,
  (SELECT reset_val FROM pg_settings WHERE name = 'search_path') AS path`;

/** What is to be known of a source's server: whether it is a standby, how far it is behind, and where its names lead. */
export async function checkSource({ source, tenant }: Workbench): Promise<readonly Finding[]> {
  const [facts] = await withSource(source, (connection) => connection.query<Facts>(FACTS));
  if (!facts) return [];
  const findings: Finding[] = [];
  const subject = `${source.host}:${source.port}/${tenant.sourceDatabase}`;
  if (facts.standby) findings.push({ ...standby(facts), check: 'standby', subject });
  if (!USUAL_PATHS.includes(facts.path))
    findings.push({
      check: 'search path',
      level: 'warning',
      subject,
      message: `the user’s search_path is ${facts.path}; Refill looks names without a schema up in public only`,
      remedy: 'write the schema before each table and function of the dataset',
    });
  return findings;
}

function standby({ behind, caught_up: caughtUp }: Facts): Pick<Finding, 'level' | 'message' | 'remedy'> {
  if (behind === null)
    return {
      level: 'warning',
      message: 'this server is a standby that has replayed no commit since it started: how far it is behind is unknown',
      remedy: 'commit something on the primary (`SELECT pg_current_xact_id()`), or give the primary’s address',
    };
  const seconds = Number(behind);
  // That nothing is left to replay says nothing of what the primary has not sent.
  const idle = caughtUp === true ? ', and it has replayed all that it has received: the primary may be idle' : '';
  const message = `this server is a standby; the last commit that it has replayed is ${behind} s old${idle}. Rows are written with that time as their version`;
  if (seconds <= STANDBY_WARNING_SECONDS) return { level: 'ok', message, remedy: null };
  return {
    level: seconds > STANDBY_ERROR_SECONDS ? 'error' : 'warning',
    message,
    remedy:
      'wait until it has caught up; if the primary is idle, commit something there (`SELECT pg_current_xact_id()`); or give the primary’s address',
  };
}
