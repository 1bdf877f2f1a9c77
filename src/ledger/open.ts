import type { LedgerConfig } from '../config/config.ts';
import { readAudit, writeAudit } from './audit.ts';
import * as attempts from './attempts.ts';
import * as backfills from './backfills.ts';
import { readChanges } from './changes.ts';
import { Database, PATIENCE_MS } from './connection.ts';
import * as deletes from './deletes.ts';
import * as fleets from './fleets.ts';
import { BACKFILL_LOCK, FLEET_LOCK, type Lockable, RUN_LOCK } from './holder.ts';
import { newId } from './ids.ts';
import * as liveLimits from './live-limits.ts';
import type { Actor, Ledger, RunLock } from './ledger.ts';
import { lock } from './lock.ts';
import { migrate } from './migrate.ts';
import * as plans from './plans.ts';
import * as proofs from './proofs.ts';
import { measuredRate } from './rate.ts';
import { repeatDeletes, retry } from './retry.ts';
import { readRun, readRuns } from './run-records.ts';
import * as runs from './runs.ts';
import * as sent from './sent.ts';
import * as slots from './slots.ts';
import * as verifications from './verifications.ts';
import * as windows from './windows.ts';

/** A ledger that is away when a program starts is reported soon: somebody sits in front of it. */
const OPEN_PATIENCE_MS = 2_000;

export interface OpenLedgerOptions {
  /** How long a method goes on trying when the ledger is away. Default 10 s. */
  readonly patienceMs?: number;
}

/**
 * Opens the ledger and brings its schema forward. Throws `LEDGER_UNREACHABLE`, `LEDGER_FAILED` (with the command that
 * makes the database, where it does not exist) and `LEDGER_NEWER`.
 */
export async function openLedger(
  config: LedgerConfig,
  password: string | undefined,
  options: OpenLedgerOptions = {},
): Promise<Ledger> {
  const patienceMs = options.patienceMs ?? PATIENCE_MS;
  const first = new Database(config, password, Math.min(OPEN_PATIENCE_MS, patienceMs));
  try {
    await migrate(first);
  } finally {
    await first.close();
  }
  return ledgerOn(new Database(config, password, patienceMs));
}

/** Every method is one transaction. */
function ledgerOn(db: Database): Ledger {
  const locks = new Set<RunLock>();
  const take = async (of: Lockable, id: string, actor: Actor): Promise<RunLock> => {
    const taken = await lock(db, of, id, actor);
    locks.add(taken);
    void taken.lost.then(() => locks.delete(taken));
    return {
      lost: taken.lost,
      release: async () => {
        locks.delete(taken);
        await taken.release();
      },
    };
  };
  return {
    close: async () => {
      await Promise.all([...locks].map((lock) => lock.release()));
      await db.close();
    },

    savePlan: (plan, actor) => db.transaction((sql) => plans.savePlan(sql, plan, actor)),
    plan: (id) => plans.readPlan(db, id),
    plans: (limit) => plans.readPlans(db, limit),

    createRun: async (plan, actor, workflow) => {
      const id = newId('r');
      return await db.transaction((sql) => runs.createRun(sql, id, plan, actor, workflow?.(id) ?? null));
    },
    run: (id) => readRun(db, id),
    runs: (filter) => readRuns(db, filter),
    lockRun: (id, actor) => take(RUN_LOCK, id, actor),
    setEpoch: (run, epoch) => db.transaction((sql) => runs.setEpoch(sql, run, epoch)),
    setRunState: (run, state, actor, extra) => db.transaction((sql) => runs.setRunState(sql, run, state, actor, extra)),
    request: (run, wanted, actor) => db.transaction((sql) => runs.request(sql, run, wanted, actor)),
    wanted: (run) => runs.readWanted(db, run),
    retry: (run, actor) => db.transaction((sql) => retry(sql, run, actor)),
    repeatDeletes: (run, nonces, actor) => db.transaction((sql) => repeatDeletes(sql, run, nonces, actor)),

    saveFleet: (plan, actor) => db.transaction((sql) => fleets.saveFleet(sql, plan, actor)),
    fleet: (id) => fleets.readFleet(db, id),
    fleetPlan: (id) => fleets.readFleetPlan(db, id),
    fleets: (limit) => fleets.readFleets(db, limit),
    fleetOf: (plan) => fleets.readFleetOf(db, plan),
    members: (fleet, order) => fleets.readMembers(db, fleet, order),
    memberChanges: (fleet, since) => fleets.readMemberChanges(db, fleet, since),
    fleetTally: (fleet) => fleets.readTally(db, fleet),
    unproven: (fleet, limit, order) => fleets.readUnproven(db, fleet, limit, order),
    lockFleet: (id, actor) => take(FLEET_LOCK, id, actor),
    setFleetState: (id, state, actor, extra) =>
      db.transaction((sql) => fleets.setFleetState(sql, id, state, actor, extra)),
    setFleetWorkflow: (id, workflow) => fleets.setFleetWorkflow(db, id, workflow),
    requestFleet: (id, wanted, actor) => db.transaction((sql) => fleets.requestFleet(sql, id, wanted, actor)),
    fleetWanted: (id) => fleets.readFleetWanted(db, id),
    retryFleet: (id, actor) => db.transaction((sql) => fleets.retryFleet(sql, id, actor)),
    setMemberError: (fleet, order, error) => db.transaction((sql) => fleets.setMemberError(sql, fleet, order, error)),

    saveBackfill: (plan, actor) => db.transaction((sql) => backfills.saveBackfill(sql, plan, actor)),
    backfill: (id) => backfills.readBackfill(db, id),
    backfills: (limit) => backfills.readBackfills(db, limit),
    lockBackfill: (id, actor) => take(BACKFILL_LOCK, id, actor),
    openChunk: (id, chunk) => db.transaction((sql) => backfills.openChunk(sql, id, chunk)),
    closeChunk: (id, actor) => db.transaction((sql) => backfills.closeChunk(sql, id, actor)),
    unjudged: (id, limit) => backfills.readUnjudged(db, id, limit),
    setBackfillState: (id, state, actor, extra) =>
      db.transaction((sql) => backfills.setBackfillState(sql, id, state, actor, extra)),
    unprovenOf: (plan) => backfills.readUnproven(db, plan),
    setReindexPlan: (id, plan) => backfills.setReindexPlan(db, id, plan),
    requestBackfill: (id, wanted, actor) => db.transaction((sql) => backfills.requestBackfill(sql, id, wanted, actor)),
    backfillWanted: (id) => backfills.readBackfillWanted(db, id),

    liveLimits: () => liveLimits.readLiveLimits(db),
    liveLimit: (cluster) => liveLimits.readLiveLimit(db, cluster),
    setLiveLimit: (cluster, most, actor) => db.transaction((sql) => liveLimits.setLiveLimit(sql, cluster, most, actor)),

    takeSlot: (holder, use, limits) => slots.takeSlot(db, holder, use, limits),
    freeSlot: (holder, number) => slots.freeSlot(db, holder, number),
    keepSlots: (holder, held) => slots.keepSlots(db, holder, held),
    leaveSlots: (holder) => slots.leaveSlots(db, holder),
    slots: () => slots.readSlots(db),

    windows: (run, of) => windows.readWindows(db, run, of),
    deletes: (run, id) => deletes.readDeletes(db, run, id),
    changes: (run, since) => readChanges(db, run, since),
    startAttempt: (run, window, version, queries) =>
      db.transaction((sql) => attempts.startAttempt(sql, run, window, version, queries)),
    checkAttempt: (run, window, attempt) => attempts.checkAttempt(db, run, window, attempt, 'done'),
    finishAttempt: (run, window, attempt, result) =>
      db.transaction((sql) => attempts.finishAttempt(sql, run, window, attempt, result)),
    failAttempt: (run, window, attempt, error, final) =>
      db.transaction((sql) => attempts.failAttempt(sql, run, window, attempt, error, final)),
    cutWindow: (run, window, at) => db.transaction((sql) => windows.cutWindow(sql, run, window, at)),
    keepRehearsal: (run, window, failure) => windows.keepRehearsal(db, run, window, failure),
    failWindow: (run, window, error) => db.transaction((sql) => windows.failWindow(sql, run, window, error)),
    attempts: (run, of) => attempts.readAttempts(db, run, of),
    paces: (run) => attempts.readPaces(db, run),
    sums: (run, window) => db.transaction((sql) => attempts.readSums(sql, run, window)),

    planMutations: (run, del, mutations) => db.transaction((sql) => deletes.planMutations(sql, run, del, mutations)),
    mutations: (run, del) => deletes.readMutations(db, run, del),
    setMutation: (run, nonce, state, ids) => db.transaction((sql) => deletes.setMutation(sql, run, nonce, state, ids)),
    keepSent: (mark, seconds) => db.transaction((sql) => sent.keepSent(sql, mark, seconds)),
    answerSent: (id) => db.transaction((sql) => sent.answerSent(sql, id)),
    secondsOnTheWay: (mark) => sent.secondsOnTheWay(db, mark),
    failDelete: (run, del, error) => db.transaction((sql) => deletes.failDelete(sql, run, del, error)),
    keepLate: (run, late) => db.transaction((sql) => deletes.keepLate(sql, run, late)),
    proveDelete: (run, del, found, drift, rowsDeleted) =>
      db.transaction((sql) => proofs.proveDelete(sql, run, del, found, drift, rowsDeleted)),

    startVerification: async (verification, actor) => {
      const id = newId('v');
      await db.transaction((sql) => verifications.startVerification(sql, id, verification, actor));
      return id;
    },
    addProofs: (verification, found, drift) =>
      db.transaction((sql) => verifications.addProofs(sql, verification, found, drift)),
    finishVerification: (verification, ok) =>
      db.transaction((sql) => verifications.finishVerification(sql, verification, ok)),
    verifications: (filter) => verifications.readVerifications(db, filter),
    proofs: (owner) => proofs.readProofs(db, owner),
    drift: (owner, filter) => proofs.readDrift(db, owner, filter),

    audit: (entry) => db.transaction((sql) => writeAudit(sql, entry)),
    auditEntries: (filter) => readAudit(db, filter),
    measuredRate: (cluster, dataset) => measuredRate(db, cluster, dataset),
  };
}
