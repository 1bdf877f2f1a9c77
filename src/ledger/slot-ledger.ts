import type { Instant } from '../domain/words.ts';
import type { Actor } from './holder.ts';

/** What a limit of slots is of: a Postgres server, a cluster, or all of them together. */
export type SlotScope = 'server' | 'cluster' | 'fleet';

/** A window at work, as one program names it. */
export interface SlotUse {
  /** The program's own number of the slot: asked for again with it, a slot that was taken is not taken twice. */
  readonly number: number;
  readonly cluster: string;
  /** The Postgres server that is read, as `host:port`. */
  readonly server: string;
  readonly run: string;
  readonly window: number | null;
}

/** A program that takes slots. */
export interface SlotHolder {
  /** Of this program alone. */
  readonly id: string;
  readonly actor: Actor;
}

/** Why a slot was not given. */
export interface SlotRefusal {
  /** What is full. */
  readonly full: SlotScope;
  /** Windows at work there, and how many of them are other programs'. */
  readonly used: number;
  readonly others: number;
  /** There is room, for another program, which has waited longer. */
  readonly turn: boolean;
}

/** A slot in use, whoever has it. */
export interface SlotRecord extends Omit<SlotUse, 'number'> {
  readonly holder: Actor;
  readonly since: Instant;
  /** When its program was last heard of: one that is dead is heard of no more, and its slots are free again soon. */
  readonly heardAt: Instant;
}

/**
 * Slots of all programs that share the ledger. A program has its slots for as long as it is heard of: see the migration
 * "slots" for when one counts as dead, and who of several is next.
 */
export interface SlotLedger {
  /** Takes a slot where fewer than each of the limits are in use, of all programs together. Null: it was taken. */
  takeSlot(holder: SlotHolder, use: SlotUse, limits: Readonly<Record<SlotScope, number>>): Promise<SlotRefusal | null>;
  freeSlot(holder: string, number: number): Promise<void>;
  /** The program is alive and has these slots, and no others: what got lost on the way, either way, is made good. */
  keepSlots(holder: SlotHolder, held: readonly SlotUse[]): Promise<void>;
  /** The program has no slots any more, and waits for none. */
  leaveSlots(holder: string): Promise<void>;
  /** By server, cluster and time. */
  slots(): Promise<readonly SlotRecord[]>;
}
