import type { Database } from './connection.ts';
import { json } from './json.ts';
import type { Actor } from './ledger.ts';
import type { SlotHolder, SlotRecord, SlotRefusal, SlotScope, SlotUse } from './slot-ledger.ts';

/** See `SlotLedger.takeSlot`. One statement: a window of almost nothing must not feel it. */
export async function takeSlot(
  db: Database,
  { id, actor }: SlotHolder,
  use: SlotUse,
  limits: Readonly<Record<SlotScope, number>>,
): Promise<SlotRefusal | null> {
  const [row] = await db.quick<{ refusal: SlotRefusal | null }>('SELECT refill.take_slot($1) AS refusal', [
    json({ holder: id, actor, ...use, limits }),
  ]);
  return row?.refusal ?? null;
}

export async function freeSlot(db: Database, holder: string, number: number): Promise<void> {
  await db.quick('SELECT refill.free_slot($1, $2)', [holder, number]);
}

export async function keepSlots(db: Database, { id, actor }: SlotHolder, held: readonly SlotUse[]): Promise<void> {
  await db.quick('SELECT refill.keep_slots($1)', [json({ holder: id, actor, held })]);
}

export async function leaveSlots(db: Database, holder: string): Promise<void> {
  await db.quick('SELECT refill.leave_slots($1)', [holder]);
}

export async function readSlots(db: Database): Promise<readonly SlotRecord[]> {
  const rows = await db.rows<{
    cluster: string;
    server: string;
    run: string;
    window_id: number | null;
    actor: Actor;
    since: string;
    beat_at: string;
  }>(
    `SELECT s.cluster, s.server, s.run, s.window_id, h.actor, s.since, h.beat_at
       FROM refill.slot s JOIN refill.slot_holder h ON h.id = s.holder
      ORDER BY s.server, s.cluster, s.since, s.holder, s.number`,
  );
  return rows.map(({ window_id: window, actor: holder, beat_at: heardAt, ...slot }) => ({
    ...slot,
    window,
    holder,
    heardAt,
  }));
}
