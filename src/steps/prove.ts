import { changedBuckets, stillUnequal, Tallies, unequalBuckets } from '../domain/balance.ts';
import type { Drift, TableProof } from '../domain/drift.ts';
import type { Limits } from '../domain/limits.ts';
import type { DriftKind, Range } from '../domain/words.ts';
import type { Key } from '../dataset/key.ts';
import type { Verdict } from '../domain/classify.ts';
import { withSnapshot } from '../source/postgres.ts';
import { keysOfTwoParts, targetSums } from '../target/count.ts';
import { Accounts, type ProofWindow, WindowAccount } from './accounts.ts';
import { refuseDisagreement, stateIn } from './agreement.ts';
import { awaitCopies } from './await-copies.ts';
import { nameElsewhere } from './elsewhere.ts';
import { bucketOf, compareKeys, keyQuery, refuseTooMany } from './compare-keys.ts';
import { keyBatches, type KeyFacts, lookupSource } from './lookup.ts';
import { sourceSums } from './reindex.ts';
import { addCandidate, type Candidates, differingColumns, type Fate, settle, shown } from './settle.ts';
import type { BenchTable, Workbench } from './workbench.ts';

export interface ProveOptions {
  readonly limits: Pick<Limits, 'graceSeconds' | 'looks'>;
  readonly signal: AbortSignal;
  /** The whole range that is verified, where the windows are a part of it: a row that moved inside of it is stale. */
  readonly range?: Range;
  /** Keys, as `driftId` writes them, that are named already: a row that moved far is met in two places. */
  readonly known?: ReadonlySet<string>;
  readonly onWait?: (reason: string) => void;
}

/** Which row a difference is about. */
const driftId = ({ table, key }: Pick<Drift, 'table' | 'key'>): string => JSON.stringify([table, key]);

export interface Proven {
  readonly proofs: readonly TableProof[];
  readonly drift: readonly Drift[];
}

/**
 * Windows whose sums are compared in one pass over the target, and held at once: a thousand buckets for each table of
 * each, of both sides.
 */
const WINDOWS_A_PASS = 64;

/**
 * `prove` for any number of windows, some at a time.
 *
 * @param options `outside`: the range outside of which rows of the windows must not stand as well; default: all of the windows.
 * @param sumsOf Finds or makes the source's side of some of them, in their order.
 * @param onPass Called with what each pass has found.
 */
export async function proveInPasses<W extends Range>(
  bench: Workbench,
  windows: readonly W[],
  sumsOf: (some: readonly W[]) => Promise<readonly ProofWindow[]>,
  options: Omit<ProveOptions, 'known'> & { readonly outside?: Range },
  onPass: (found: Proven) => Promise<void> = () => Promise.resolve(),
): Promise<Proven> {
  const [proofs, drift]: [TableProof[], Drift[]] = [[], []];
  const known = new Set<string>();
  const range = options.range ?? wholeOf(windows);
  for (let at = 0; at < windows.length; at += WINDOWS_A_PASS) {
    const some = windows.slice(at, at + WINDOWS_A_PASS);
    const compared = await prove(bench, await sumsOf(some), { ...options, range, known });
    const found = await nameElsewhere(bench, compared, some, { ...options, outside: options.outside ?? range });
    await onPass(found);
    for (const d of found.drift) {
      known.add(driftId(d));
      drift.push(d);
    }
    refuseTooMany(known.size);
    for (const proof of found.proofs) proofs.push(proof);
  }
  return { proofs, drift };
}

/**
 * Compares the target's rows of neighbouring windows with the source's sums: one pass over the target for each table.
 * Where a bucket differs its keys are read from both sides, and what differs is looked up again after a grace period;
 * only what stays is drift. What the sides differ in and no named row accounts for is drift too: `unexplained`.
 *
 * @param windows In time order, without gaps.
 */
export async function prove(bench: Workbench, windows: readonly ProofWindow[], options: ProveOptions): Promise<Proven> {
  const proofs: TableProof[] = [];
  const drift: Drift[] = [];
  await awaitCopies(bench, options.signal, options.onWait);
  for (const table of bench.tables) {
    options.signal.throwIfAborted();
    const accounts = await new TableProver(bench, table, windows, options).prove();
    for (const account of accounts.windows) {
      proofs.push(account.proof(table.definition.name));
      for (const d of account.drift) drift.push(d);
    }
  }
  return { proofs, drift };
}

export const wholeOf = (windows: readonly Range[]): Range => ({
  from: windows[0]?.from ?? '',
  to: windows.at(-1)?.to ?? '',
});

/** What one table's proof is at work on: the steps below, in their order. */
class TableProver {
  readonly #bench: Workbench;
  readonly #table: BenchTable;
  readonly #windows: readonly ProofWindow[];
  readonly #options: ProveOptions;
  readonly #range: Range;
  readonly #candidates: Candidates = new Map();
  /** Buckets of a window whose sums say something else than what was read afterwards. */
  readonly #unsure: Unsure[] = [];

  constructor(bench: Workbench, table: BenchTable, windows: readonly ProofWindow[], options: ProveOptions) {
    this.#bench = bench;
    this.#table = table;
    this.#windows = windows;
    this.#options = options;
    this.#range = options.range ?? wholeOf(windows);
  }

  async prove(): Promise<Accounts> {
    const accounts = await this.#sum();
    for (const account of accounts.windows) await this.#compare(account);
    await this.#addTwins();
    const { doubtful, vanished } = await settle(this.#bench, this.#table, this.#candidates, {
      ...this.#options,
      range: this.#range,
      onFate: (key, fate, facts, verdict) => this.#enter(accounts, key, fate, facts, verdict),
    });
    if (doubtful.length > 0) await refuseDisagreement(this.#bench, this.#table, this.#windows, doubtful);
    if (vanished.length > 0) await this.#confirmVanished(accounts, vanished);
    for (const one of this.#unsure) await this.#sumAgain(one);
    for (const account of accounts.windows)
      for (const bucket of account.unexplained()) this.#nameBucket(account, bucket, 'unbalanced');
    return accounts;
  }

  async #sum(): Promise<Accounts> {
    const { name } = this.#table.definition;
    const targets = await targetSums(this.#bench.target, this.#table, this.#bench.tenant, this.#windows);
    return new Accounts(
      this.#windows.map((window, index) => {
        const source = window.sums.find((s) => s.table === name) ?? { table: name, rows: 0, excluded: {}, buckets: {} };
        return new WindowAccount(window, source, Tallies.of(targets[index] ?? {}));
      }),
    );
  }

  /** Reads the unequal buckets of a window from both sides: what differs becomes a candidate. */
  async #compare(account: WindowAccount): Promise<void> {
    const buckets = unequalBuckets(account.sides);
    if (buckets.length === 0) return;
    const summed = copyOf(account, buckets);
    const read = await compareKeys(this.#bench, this.#table, { range: account.window, buckets }, (mismatch) =>
      addCandidate(this.#candidates, mismatch),
    );
    const changed = changedBuckets(summed, read.whole, buckets);
    if (changed.length > 0) this.#unsure.push({ account, summed, buckets: changed });
    account.compared(buckets, read.equal);
  }

  /** A row of a part may stand in another one as well, which the sums of the part do not see. */
  async #addTwins(): Promise<void> {
    const range = wholeOf(this.#windows);
    const twins = await keysOfTwoParts(this.#bench.target, this.#table, this.#bench.tenant, range);
    for (const keys of keyBatches(twins)) {
      const rows = await lookupSource(this.#bench, this.#table, keys);
      for (const key of keys)
        if (!this.#candidates.has(key))
          this.#candidates.set(key, { state: stateIn(rows.get(key), range), source: 0, target: 0 });
      refuseTooMany(this.#candidates.size);
    }
  }

  #enter(accounts: Accounts, key: Key, fate: Fate, facts: KeyFacts, verdict: Verdict): void {
    const rows = accounts.enter(key, facts, this.#range, fate !== 'equal');
    const state = stateIn(facts.source, this.#range);
    const wanted = facts.source.find((row) => row.excluded === null) ?? facts.source[0];
    const time = state === null ? (facts.targets[0]?.time ?? null) : (wanted?.time ?? null);
    const account = accounts.of(time);
    if (fate === 'unsettled' && account) account.unsettled += 1;
    if (fate !== 'drift' || verdict.verdict === 'present' || verdict.verdict === 'excluded') return;
    this.#name(account, {
      key: shown(this.#table, key),
      kind: verdict.verdict,
      reason: verdict.reason,
      time,
      ...rows,
      columns: verdict.verdict === 'stale' ? differingColumns(this.#table, facts, this.#range) : [],
    });
  }

  #name(
    account: WindowAccount | undefined,
    drift: Pick<Drift, 'key' | 'reason' | 'time' | 'source' | 'target'> & {
      readonly kind: DriftKind;
      readonly columns?: readonly string[];
      readonly query?: string;
    },
  ): void {
    const named: Drift = {
      table: this.#table.definition.name,
      columns: [],
      elsewhere: [],
      query: null,
      ...drift,
    };
    if (this.#options.known?.has(driftId(named)) !== true) account?.drift.push(named);
  }

  /**
   * Rows that were read in order and not found by their keys may have been deleted meanwhile. Those that are read once more
   * were not: their key is one that cannot be looked up, and they are not explained.
   */
  async #confirmVanished(accounts: Accounts, vanished: readonly Key[]): Promise<void> {
    const keys = new Set(vanished);
    for (const account of accounts.windows) {
      const buckets = [...new Set(vanished.map(bucketOf))];
      await compareKeys(this.#bench, this.#table, { range: account.window, buckets }, ({ key, source, target }) => {
        if (!keys.has(key)) return;
        const bucket = bucketOf(key);
        account.enter(bucket, { source, target }, true);
        this.#name(account, {
          key: shown(this.#table, key),
          kind: 'unexplained',
          reason: 'looks_equal',
          time: null,
          source: source.length,
          target: target.length,
          query: this.#queryOf(account, bucket),
        });
      });
    }
  }

  /**
   * Sums both sides of a window once more, of which sums and rows have said different things: they have changed in
   * between, unless they differ in just the same way again.
   */
  async #sumAgain({ account, summed, buckets }: Unsure): Promise<void> {
    const { window } = account;
    const source = await withSnapshot(this.#bench.source, (snapshot) =>
      sourceSums(this.#bench, this.#table, snapshot, window),
    );
    const [target = {}] = await targetSums(this.#bench.target, this.#table, this.#bench.tenant, [window]);
    const again = { source: Tallies.of(source.buckets), target: Tallies.of(target) };
    for (const bucket of stillUnequal(summed, again, buckets)) {
      account.nameWhole(bucket, again);
      this.#nameBucket(account, bucket, 'unbalanced');
    }
  }

  #nameBucket(account: WindowAccount, bucket: number, reason: string): void {
    const { source, target } = account.sides;
    this.#name(account, {
      key: `bucket ${bucket} of ${account.window.from}`,
      kind: 'unexplained',
      reason,
      time: account.window.from,
      source: source.get(bucket).rows,
      target: target.get(bucket).rows,
      query: this.#queryOf(account, bucket),
    });
  }

  #queryOf({ window }: WindowAccount, bucket: number): string {
    return keyQuery(this.#bench, this.#table, { range: { from: window.from, to: window.to }, buckets: [bucket] });
  }
}

/** Sums of some buckets as they were. */
interface Summed {
  readonly source: Tallies;
  readonly target: Tallies;
}

interface Unsure {
  readonly account: WindowAccount;
  readonly summed: Summed;
  readonly buckets: readonly number[];
}

function copyOf({ sides }: WindowAccount, buckets: readonly number[]): Summed {
  const copy = { source: new Tallies(), target: new Tallies() };
  for (const bucket of buckets) {
    copy.source.replace(bucket, sides.source);
    copy.target.replace(bucket, sides.target);
  }
  return copy;
}
