import { RefillError } from '../domain/errors.ts';
import { COMMAND_PINS, isOurs, PINS } from './settings.ts';

/** What a statement is sent with. */
export type Settings = Readonly<Record<string, string | number>>;

/** A setting as a server has it for our user. */
export interface ServerSetting {
  readonly name: string;
  readonly value: string;
  /** What it is where nobody has set it. */
  readonly standard: string;
  /** 1 where our user may not change it. */
  readonly fixed: number;
  readonly least: string | null;
  readonly most: string | null;
}

/** How statements are sent to a server so that nobody's profile changes their results. */
export interface Session {
  /** Sent with every statement that has a result, and with every insert. */
  readonly statement: Settings;
  /** Sent with every other one. */
  readonly command: Settings;
  /** Settings that are not as the server has them by default and that our user may not change, as `name = value`. */
  readonly foreign: readonly string[];
  /** The user's `readonly`: 0 may write, 1 may only read, 2 may only read and change settings. */
  readonly readOnly: number;
}

/** Asks a server for the settings that we set, and for those that somebody has changed. */
export const SETTINGS_STATEMENT = `SELECT name, value, default AS standard, readonly AS fixed, min AS least, max AS most
  FROM system.settings
  WHERE name IN (${[...Object.keys(PINS), 'readonly'].map((name) => `'${name}'`).join(', ')})
    OR (value != default AND NOT is_obsolete AND alias_for = '')`;

/** How many settings an error names. */
const NAMED = 8;

/**
 * Decides what is sent. A setting that the server does not know is left out, so that an older one does not refuse it.
 *
 * @throws RefillError `CH_SETTING_FORBIDDEN` with the names of the settings that the user may not set as they have to be.
 */
export function sessionOf(settings: readonly ServerSetting[], place: string): Session {
  const known = new Map(settings.map((setting) => [setting.name, setting]));
  const readOnly = Number(known.get('readonly')?.value ?? Number.NaN);
  // Without an answer nothing would be pinned. A page with a status of 200 looks like one.
  if (Number.isNaN(readOnly))
    throw new RefillError('CH_NOT_CLICKHOUSE', `${place}: what answers there does not know ClickHouse's settings`);
  const pins = Object.entries(PINS).filter(([name]) => known.has(name));
  const forbidden = pins.flatMap(([name, value]) => {
    const setting = known.get(name);
    return setting && !mayBe(setting, value) ? [`${name} = ${value === '' ? "''" : value}`] : [];
  });
  if (forbidden.length > 0) throw settingForbidden(place, readOnly, forbidden);
  const changed = settings.filter(({ name, value, standard }) => !(name in PINS) && isOurs(name) && value !== standard);
  const reset = changed.filter((setting) => mayBe(setting, setting.standard));
  return {
    statement: {
      ...Object.fromEntries(reset.map(({ name, standard }) => [name, standard])),
      ...Object.fromEntries(pins),
    },
    command: Object.fromEntries(pins.filter(([name]) => name in COMMAND_PINS)),
    foreign: changed.filter((setting) => !reset.includes(setting)).map(({ name, value }) => `${name} = ${value}`),
    readOnly,
  };
}

/** Whether our user may give a setting this value; the value that it has is never refused. */
function mayBe({ value, fixed, least, most }: ServerSetting, wanted: string): boolean {
  if (value === wanted) return true;
  return (
    fixed !== 1 && !(Number(wanted) < Number(least ?? Number.NaN)) && !(Number(wanted) > Number(most ?? Number.NaN))
  );
}

function settingForbidden(place: string, readOnly: number, forbidden: readonly string[]): RefillError {
  const names = forbidden.slice(0, NAMED).join(', ');
  const more = forbidden.length > NAMED ? ` and ${forbidden.length - NAMED} more` : '';
  const why =
    readOnly === 1 ? 'the user has readonly = 1, which forbids every setting' : "the user's profile forbids it";
  return new RefillError('CH_SETTING_FORBIDDEN', `${place}: Refill must set ${names}${more}, and ${why}`, {
    details: { settings: forbidden, readonly: readOnly },
  });
}
