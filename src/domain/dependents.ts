/**
 * What depends on a target table: what reads it, derives from it, or acts on its inserts and deletes. Here it is decided
 * what a run would do to each, and what can be done about it.
 */

/**
 * - leave: the damage is acknowledged. The dependent counts re-derived rows again.
 * - bypass: the run's rows reach the table without the dependent. What it has counted before stays as it is.
 * - rebuild: the dependent's target is cleared for the range and derived from the proven rows, with a proof of its own.
 */
export const DEPENDENT_ACTIONS = ['leave', 'bypass', 'rebuild'] as const;
export type DependentAction = (typeof DEPENDENT_ACTIONS)[number];

/** How a dependent is connected with the table. */
export type Relation =
  /** It is run on every block that is inserted into the table, or into what another such view writes. */
  | 'triggered'
  /** It reads the table when it is asked, loaded or refreshed. */
  | 'reads'
  /** It writes into the table. */
  | 'writes'
  /** It is a part of the table's own definition. */
  | 'own';

export type DependentKind =
  | 'materialized view'
  | 'refreshable view'
  | 'live view'
  | 'window view'
  | 'view'
  | 'projection'
  | 'TTL'
  | 'constraint'
  | 'row policy'
  | 'dictionary'
  | 'Distributed table'
  | 'Buffer table'
  | 'Merge table'
  | 'Alias table'
  | 'other';

/** A dependent as the servers describe it. */
export interface FoundDependent {
  readonly database: string;
  readonly name: string;
  /** The dataset's table that it depends on. */
  readonly table: string;
  readonly kind: DependentKind;
  readonly relation: Relation;
  /** The statement that makes it; empty if the user may not see it. */
  readonly definition: string;
  /** The views between the table and this one; empty if it depends on the table itself. */
  readonly through: readonly string[];
  /** The SELECT of a view; empty if it is none. */
  readonly select: string;
  /** The table that a view writes to; null if it has none, or if it cannot be seen. */
  readonly target: { readonly database: string; readonly name: string; readonly engine: string } | null;
  /** Whether other views are triggered by what it writes. */
  readonly feeds: boolean;
  /** What else there is to say: what feeds a writer, which servers alone have it. */
  readonly note?: string;
}

/** A dependent, and what a run would do to it. */
export interface Dependent extends Pick<FoundDependent, 'table' | 'kind' | 'through'> {
  /** `database.name`; `table.name` of what is a part of the table. */
  readonly name: string;
  /** Names by which an answer can mean it. */
  readonly aliases: readonly string[];
  readonly harmed: boolean;
  /** How a run would damage it, or why it is safe. */
  readonly why: string;
  /** Why actions are not possible, by action; those that are missing are possible. */
  readonly impossible: Readonly<Partial<Record<DependentAction, string>>>;
  /** Fingerprint of the statement that makes it. */
  readonly definition: string;
}

/** A dependent in a plan, with what the run does about it. */
export interface PlannedDependent extends Omit<Dependent, 'aliases'> {
  /** Null if it is safe: nothing needs to be done. */
  readonly action: DependentAction | null;
  /** The statements that rebuild it, with `:nonce` where the run's is put in. */
  readonly sql?: string;
}

/** What happened to a dependent that a run could harm. */
export interface DependentOutcome {
  readonly name: string;
  readonly table: string;
  readonly action: DependentAction;
  /** `pending` until the run has proven a rebuilt one. */
  readonly state: 'left' | 'bypassed' | 'rebuilt' | 'pending';
}

/** Answers of plans and configurations: name of a dependent to what is done about it. */
export type DependentAnswers = Readonly<Record<string, DependentAction>>;

interface Verdict {
  readonly harmed: boolean;
  readonly why: string;
}

const safe = (why: string): Verdict => ({ harmed: false, why });
const harmed = (why: string): Verdict => ({ harmed: true, why });

const COUNTS_AGAIN =
  'it is run on every inserted block: re-derived rows are added to what it holds already, and deleted rows stay in it';

/** Whether a run would damage a dependent, and how, or why not. */
export function verdict(found: FoundDependent): Verdict {
  const { relation } = found;
  if (relation === 'triggered') return ofTriggered(found);
  if (relation === 'writes')
    return safe('it writes into the table as any live writer does; the run inserts into the table itself');
  return relation === 'own' ? ofOwn(found) : ofReader(found);
}

function ofTriggered({ definition, target, feeds }: FoundDependent): Verdict {
  if (definition === '') return harmed(`${COUNTS_AGAIN}; the user may not see its definition`);
  return target?.engine === 'Null' && !feeds
    ? safe('it writes into a Null table, which keeps nothing')
    : harmed(COUNTS_AGAIN);
}

const OWN: Readonly<Partial<Record<DependentKind, string>>> = {
  projection: 'ClickHouse keeps it with the parts: inserts and rewriting deletes change both, and no mask is used',
  TTL: 'it acts on the table’s own rows, and on re-derived rows as on any others',
  constraint: 'ClickHouse checks it for each inserted block and keeps nothing of it',
  'row policy': 'it limits who sees which rows and keeps none',
};

const ofOwn = ({ kind }: FoundDependent): Verdict => known(OWN[kind]);

const READS = 'it reads the table when it is asked and keeps no rows';
const READERS: Readonly<Partial<Record<DependentKind, string>>> = {
  'refreshable view': 'its next refresh derives it anew; until then it may show a state from the middle of the run',
  dictionary: 'it is loaded anew from the table; with LIFETIME(0) after SYSTEM RELOAD DICTIONARY',
  'Buffer table':
    'the run does not write through it; rows that wait in it come later, as those of any live writer (OPTIMIZE TABLE flushes it)',
  'materialized view': 'the run’s inserts do not trigger it: only inserts into another table do',
  'Distributed table': READS,
  'Merge table': READS,
  'Alias table': READS,
  view: READS,
};

const known = (why: string | undefined): Verdict =>
  why === undefined ? harmed('Refill does not know what it does with the table’s rows') : safe(why);

function ofReader({ kind, definition }: FoundDependent): Verdict {
  if (kind === 'refreshable view' && /\sAPPEND\s/u.test(definition.split(/\sAS\s/u)[0] ?? ''))
    return harmed(
      'each refresh appends what it reads: one during the run would append rows that are missing or doubled',
    );
  if (kind === 'dictionary' && /\bUPDATE_FIELD\b/u.test(definition))
    return harmed(
      'it loads only what is newer than its last update: deleted rows stay in it until SYSTEM RELOAD DICTIONARY',
    );
  return known(READERS[kind]);
}

/** Which answer means a dependent: one with its database goes before one without. */
function answerFor({ aliases }: Pick<Dependent, 'aliases'>, answers: DependentAnswers): DependentAction | undefined {
  return aliases.map((name) => (Object.hasOwn(answers, name) ? answers[name] : undefined)).find((a) => a !== undefined);
}

/** What the first of some answers says about a dependent. */
export function answered(
  one: Pick<Dependent, 'aliases'>,
  answers: readonly DependentAnswers[],
): DependentAction | undefined {
  return answers.map((some) => answerFor(one, some)).find((a) => a !== undefined);
}

/** Dependents with an action each, and why a run may not start like that. */
export interface Decision {
  readonly planned: readonly PlannedDependent[];
  /** One sentence for each that has no answer, or one that is not possible. */
  readonly problems: readonly string[];
}

/**
 * Decides what is done about each dependent.
 *
 * @param answers Those that are asked first come first: of the plan, then of the configuration.
 */
export function decide(dependents: readonly Dependent[], ...answers: readonly DependentAnswers[]): Decision {
  const given = (one: Dependent) => answered(one, answers);
  const bypassed = new Set(dependents.filter((one) => given(one) === 'bypass').map((one) => one.name));
  const problems: string[] = [];
  const planned = dependents.map((one): PlannedDependent => {
    const { aliases: _, ...kept } = one;
    const answer = given(one);
    if (!one.harmed) {
      if (answer !== undefined && answer !== 'leave')
        problems.push(`${one.name} is safe, so ${answer} is not possible: ${one.why}`);
      return { ...kept, action: null };
    }
    // What comes after a view gets no rows that the view does not get.
    const inherited = one.through.some((view) => bypassed.has(view));
    const action = answer ?? (inherited ? 'bypass' : undefined);
    if (action === undefined) {
      const possible = DEPENDENT_ACTIONS.filter((a) => one.impossible[a] === undefined);
      problems.push(`${describe(one)}: ${one.why}. Possible: ${possible.join(', ')}`);
      return { ...kept, action: null };
    }
    const impossible = one.impossible[action];
    if (impossible !== undefined && !(action === 'bypass' && inherited))
      problems.push(`${action} is not possible for ${describe(one)}: ${impossible}`);
    return { ...kept, action };
  });
  return { planned, problems };
}

export const describe = ({ name, kind, table }: Pick<Dependent, 'name' | 'kind' | 'table'>): string =>
  `${name} (${kind} on ${table})`;

/** Whether a name in an answer means a dependent, in whichever tenant's database it is. */
export function means(answer: string, { name }: Pick<Dependent, 'name'>): boolean {
  return name === answer || name.endsWith(`.${answer.replace(/^\*\./u, '')}`);
}

/** Answers that mean no dependent. */
export function unknownAnswers(dependents: readonly Dependent[], answers: DependentAnswers): readonly string[] {
  const known = new Set(dependents.flatMap(({ aliases }) => aliases));
  return Object.keys(answers).filter((name) => !known.has(name));
}

/** Harmed dependents that a plan does not know, or that are not as they were when it was made. */
export function notPlanned(now: readonly Dependent[], planned: readonly PlannedDependent[]): readonly Dependent[] {
  return now.filter(
    (one) =>
      one.harmed &&
      !planned.some(
        (then) =>
          then.name === one.name &&
          then.table === one.table &&
          then.definition === one.definition &&
          then.action !== null,
      ),
  );
}

/** Tables whose rows reach them past their views. */
export function bypassedTables(planned: readonly PlannedDependent[]): ReadonlySet<string> {
  return new Set(planned.filter(({ action }) => action === 'bypass').map(({ table }) => table));
}

/** What became of each dependent that a run could harm. `ended`: everything of the run is proven. */
export function outcomes(planned: readonly PlannedDependent[], ended: boolean): readonly DependentOutcome[] {
  const past = bypassedTables(planned);
  return planned.flatMap(({ name, table, action }): DependentOutcome[] => {
    if (action === null) return [];
    if (action === 'rebuild') return [{ name, table, action, state: ended ? 'rebuilt' : 'pending' }];
    return [{ name, table, action, state: past.has(table) ? 'bypassed' : 'left' }];
  });
}
