import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/domain/limits.ts';
import { Slots } from '../../src/executors/slots.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import type { SlotHolder, SlotUse } from '../../src/ledger/slot-ledger.ts';
import { usePostgres } from './postgres.ts';
import { ACTOR, OTHER } from './samples.ts';

const server = usePostgres();

const ONE: SlotHolder = { id: 'one', actor: ACTOR };
const TWO: SlotHolder = { id: 'two', actor: OTHER };
const THREE: SlotHolder = { id: 'three', actor: OTHER };
const MANY = { server: 100, cluster: 100, fleet: 100 };
const ONE_ON_SERVER = { ...MANY, server: 1 };

const use = (number: number, more: Partial<SlotUse> = {}): SlotUse => ({
  number,
  cluster: 'east',
  server: 'db1:5432',
  run: 'r-1',
  window: number,
  ...more,
});

/** Two programs at one ledger, and what makes time pass for it: everything in its tables happened so long before. */
async function two(): Promise<{ a: Ledger; b: Ledger; pass: (seconds: number) => Promise<void> }> {
  const database = await server.database();
  const pass = async (seconds: number) => {
    const earlier = `- interval '${seconds} seconds'`;
    await server.query(
      database,
      `UPDATE refill.slot_holder SET beat_at = beat_at ${earlier}, doubted_at = doubted_at ${earlier}`,
    );
    await server.query(database, `UPDATE refill.slot_wait SET since = since ${earlier}`);
  };
  return { a: await server.open(database), b: await server.open(database), pass };
}

test('a slot counts for all programs, by server, cluster and in all; the refusal says what is full, and whose it is', async () => {
  const { a, b } = await two();
  expect(await a.takeSlot(ONE, use(1), MANY)).toBeNull();
  expect(await a.takeSlot(ONE, use(2, { cluster: 'west' }), MANY)).toBeNull();
  expect(await b.takeSlot(TWO, use(1, { server: 'db2:5432' }), MANY)).toBeNull();
  const asked = (limits: Partial<typeof MANY>) => b.takeSlot(TWO, use(2), { ...MANY, ...limits });
  expect(await asked({ server: 2 })).toEqual({ full: 'server', used: 2, others: 2, turn: false });
  expect(await asked({ cluster: 2 })).toEqual({ full: 'cluster', used: 2, others: 1, turn: false });
  expect(await asked({ fleet: 3 })).toEqual({ full: 'fleet', used: 3, others: 2, turn: false });
  expect(await asked({ server: 3, cluster: 3, fleet: 4 })).toBeNull();
  expect(await a.slots()).toMatchObject([
    { cluster: 'east', server: 'db1:5432', run: 'r-1', window: 1, holder: ACTOR, since: expect.stringMatching(/^2/u) },
    { cluster: 'east', server: 'db1:5432', window: 2, holder: OTHER },
    { cluster: 'west', server: 'db1:5432', window: 2, holder: ACTOR },
    { cluster: 'east', server: 'db2:5432', window: 1, holder: OTHER },
  ]);
});

test('of forty programs that ask at once no more than the limit get one', async () => {
  const { a, b } = await two();
  const limits = { ...MANY, server: 7 };
  for (let round = 0; round < 10; round++) {
    const tries = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        (n % 2 === 0 ? a : b).takeSlot({ id: `p-${round}-${n}`, actor: OTHER }, use(1), limits),
      ),
    );
    expect(tries.filter((refusal) => refusal === null)).toHaveLength(7);
    expect(await a.slots()).toHaveLength(7);
    for (let n = 0; n < 40; n++) await a.leaveSlots(`p-${round}-${n}`);
  }
});

test('a slot that is asked for twice, as its answer was lost, is taken once; given back, it is free', async () => {
  const { a, b } = await two();
  expect(await a.takeSlot(ONE, use(1), ONE_ON_SERVER)).toBeNull();
  expect(await a.takeSlot(ONE, use(1), ONE_ON_SERVER)).toBeNull();
  expect(await a.slots()).toHaveLength(1);
  await a.freeSlot(ONE.id, 1);
  await a.freeSlot(ONE.id, 1);
  expect(await b.takeSlot(TWO, use(1), ONE_ON_SERVER)).toBeNull();
});

test('a program that is heard of no more loses its slots: doubted after 5 s, gone 5 s later', async () => {
  const { a, b, pass } = await two();
  await a.takeSlot(ONE, use(1), ONE_ON_SERVER);
  const asks = async () => (await b.takeSlot(TWO, use(1), ONE_ON_SERVER)) === null;
  await pass(4);
  expect(await asks()).toBe(false);
  // Doubted by this question.
  await pass(2);
  expect(await asks()).toBe(false);
  await pass(4);
  expect(await asks()).toBe(false);
  await pass(2);
  expect(await asks()).toBe(true);
  expect(await a.slots()).toMatchObject([{ holder: OTHER }]);
});

test('a ledger that was away for all: who comes back first does not take what the others have', async () => {
  const { a, b, pass } = await two();
  await a.takeSlot(ONE, use(1), ONE_ON_SERVER);
  await pass(3600);
  expect(await b.takeSlot(TWO, use(1), ONE_ON_SERVER)).toMatchObject({ full: 'server', others: 1 });
  await a.keepSlots(ONE, [use(1)]);
  await pass(4);
  expect(await b.takeSlot(TWO, use(1), ONE_ON_SERVER)).toMatchObject({ full: 'server', others: 1 });
});

test('one that slept until it was called dead counts again, over the limit, and nothing new begins', async () => {
  const { a, b, pass } = await two();
  await a.takeSlot(ONE, use(1), ONE_ON_SERVER);
  for (let look = 0; look < 2; look++) {
    await pass(6);
    await b.keepSlots(TWO, []);
  }
  expect(await b.takeSlot(TWO, use(1), ONE_ON_SERVER)).toBeNull();
  await a.keepSlots(ONE, [use(1)]);
  expect(await b.slots()).toHaveLength(2);
  await b.freeSlot(TWO.id, 1);
  expect(await b.takeSlot(TWO, use(2), ONE_ON_SERVER)).toMatchObject({ used: 1, others: 1 });
});

test('a beat makes good what was lost on the way: a slot that was not given back, and one that the ledger has forgotten', async () => {
  const { a } = await two();
  await a.takeSlot(ONE, use(1), MANY);
  await a.takeSlot(ONE, use(2), MANY);
  await a.keepSlots(ONE, [use(2), use(3)]);
  expect((await a.slots()).map((slot) => slot.window)).toEqual([2, 3]);
  await a.leaveSlots(ONE.id);
  expect(await a.slots()).toEqual([]);
});

test('who has waited longest goes first, and then waits anew', async () => {
  const { a, b, pass } = await two();
  await a.takeSlot(ONE, use(1), ONE_ON_SERVER);
  expect(await b.takeSlot(TWO, use(1), ONE_ON_SERVER)).toMatchObject({ turn: false });
  await pass(1);
  expect(await b.takeSlot(THREE, use(1), ONE_ON_SERVER)).toMatchObject({ turn: false });
  await a.freeSlot(ONE.id, 1);
  // Not yet: windows of a moment would wait for each other's questions.
  expect(await a.takeSlot(ONE, use(2), ONE_ON_SERVER)).toBeNull();
  await a.freeSlot(ONE.id, 2);
  await pass(2);
  for (const [holder, turn] of [
    [ONE, 3],
    [THREE, 1],
  ] as const)
    expect(await a.takeSlot(holder, use(turn), ONE_ON_SERVER)).toEqual({
      full: 'server',
      used: 0,
      others: 0,
      turn: true,
    });
  expect(await b.takeSlot(TWO, use(1), ONE_ON_SERVER)).toBeNull();
  await b.freeSlot(TWO.id, 1);
  expect(await b.takeSlot(TWO, use(2), ONE_ON_SERVER)).toMatchObject({ turn: true });
  expect(await b.takeSlot(THREE, use(1), ONE_ON_SERVER)).toBeNull();
});

test('who waits holds up only those who wait for the same, and nobody once it asks no more', async () => {
  const { a, b, pass } = await two();
  await a.takeSlot(ONE, use(1), ONE_ON_SERVER);
  await b.takeSlot(TWO, use(1), ONE_ON_SERVER);
  await pass(3);
  await b.takeSlot(TWO, use(1), ONE_ON_SERVER);
  await a.freeSlot(ONE.id, 1);
  expect(await a.takeSlot(ONE, use(2, { server: 'db2:5432' }), ONE_ON_SERVER)).toBeNull();
  expect(await a.takeSlot(ONE, use(3), ONE_ON_SERVER)).toMatchObject({ turn: true });
  await sleep(5_100);
  expect(await a.takeSlot(ONE, use(3), ONE_ON_SERVER)).toBeNull();
});

test('each program obeys its own limits, against what all have', async () => {
  const { a, b } = await two();
  for (const n of [1, 2]) expect(await a.takeSlot(ONE, use(n), { ...MANY, server: 3 })).toBeNull();
  expect(await b.takeSlot(TWO, use(1), { ...MANY, server: 2 })).toMatchObject({ full: 'server', used: 2 });
  expect(await a.takeSlot(ONE, use(3), { ...MANY, server: 3 })).toBeNull();
});

/** A program beats every 2 s; a busy machine may take its time. */
const A_BEAT = { timeout: 20_000, interval: 100 };

test('a window that takes longer than a lease keeps its slot: its program sends heartbeats that name it', async () => {
  const { a, b, pass } = await two();
  const limits = { ...DEFAULT_LIMITS, serverWindows: 1 };
  const slots = new Slots({ limits, actor: ACTOR, ledger: () => Promise.resolve(a) });
  onTestFinished(() => slots.close());
  let end: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (end = resolve));
  const request = { cluster: 'east', server: 'db1:5432', tenant: 'acme/sales', run: 'r-long' };
  const window = slots.shares.pool(request).run(() => over, { window: 7 });
  const held = async () => (await b.slots()).find((slot) => slot.run === 'r-long');
  await expect.poll(held).toMatchObject({ window: 7, holder: ACTOR });
  for (let lease = 0; lease < 2; lease++) {
    // Its last beat is too long ago: whoever asks doubts it.
    await pass(6);
    expect(await b.takeSlot(TWO, use(1), ONE_ON_SERVER)).toMatchObject({ full: 'server', others: 1 });
    const before = (await held())?.heardAt ?? '';
    await expect.poll(async () => ((await held())?.heardAt ?? '') > before, A_BEAT).toBe(true);
    expect(await held()).toMatchObject({ window: 7, holder: ACTOR });
  }
  expect(await b.takeSlot(TWO, use(1), ONE_ON_SERVER)).toMatchObject({ full: 'server', others: 1 });
  end();
  await window;
  expect(await held()).toBeUndefined();
});
