import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { RUN_LOCK } from '../../src/ledger/holder.ts';
import { usePostgres } from './postgres.ts';
import { Proxy } from './proxy.ts';
import { ACTOR, newRun, OTHER } from './samples.ts';

const server = usePostgres();
const HOLDER = fileURLToPath(new URL('lock-holder.ts', import.meta.url));
const JITI = import.meta.resolve('jiti/register');
const TAKE = `SELECT pg_try_advisory_lock(${RUN_LOCK.key('r')}) AS taken FROM refill.run r WHERE r.id = $1`;
const TERMINATE_HOLDER = `SELECT pg_terminate_backend(holder_backend) FROM refill.run WHERE holder_backend IS NOT NULL`;

/** Another program that has the lock; killed with the test. */
async function holder(database: string, run: string): Promise<ChildProcess & { readonly pid: number }> {
  const order = { config: server.config(database), password: server.password, run, actor: OTHER };
  const child = spawn(process.execPath, ['--import', JITI, HOLDER], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, LOCK_ORDER: JSON.stringify(order) },
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const first = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  expect(String(first[0])).toBe('locked\n');
  const { pid } = child;
  if (pid === undefined) throw new Error('the child has no pid');
  return Object.assign(child, { pid });
}

test('a second program is refused with the name of the first, until that is killed', { timeout: 30_000 }, async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const { id: run } = await newRun(ledger);
  const child = await holder(database, run);

  const held = (await ledger.run(run)).holder;
  expect(held).toEqual({ ...OTHER, pid: child.pid, since: expect.stringMatching(/^2.*Z$/u) });
  expect((await ledger.runs({ limit: 1 }))[0]?.holder).toEqual(held);
  await expect(ledger.lockRun(run, ACTOR)).rejects.toMatchObject({
    code: 'RUN_BUSY',
    exit: 3,
    message: `grace@ship (process ${child.pid}) is at work on run ${run} since ${held?.since}.`,
    details: { run, holder: held },
  });

  process.kill(child.pid, 'SIGKILL');
  await once(child, 'exit');
  await expect.poll(async () => (await ledger.run(run)).holder, { timeout: 5_000 }).toBeNull();
  const lock = await ledger.lockRun(run, ACTOR);
  expect((await ledger.run(run)).holder).toMatchObject(ACTOR);
  await lock.release();
});

test('a lock that is given back can be taken at once, and is not called lost', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  let lost = false;
  for (let round = 0; round < 10; round++) {
    const lock = await ledger.lockRun(run, ACTOR);
    void lock.lost.then(() => (lost = true));
    await lock.release();
    await lock.release();
    expect((await ledger.run(run)).holder).toBeNull();
  }
  expect(lost).toBe(false);
});

test('locks on several runs are held side by side', async () => {
  const ledger = await server.ledger();
  const runs = [await newRun(ledger, { days: [1, 2] }), await newRun(ledger, { days: [2, 3] })];
  const locks = await Promise.all(runs.map((run) => ledger.lockRun(run.id, ACTOR)));
  expect((await ledger.runs({ limit: 10 })).map((run) => run.holder?.user)).toEqual(['ada', 'ada']);
  await locks[0]?.release();
  expect((await ledger.runs({ limit: 10 })).map((run) => run.holder?.user)).toEqual(['ada', undefined]);
});

test('of ten that try at once one gets the lock, and the others learn its name', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  const tries = await Promise.allSettled(
    Array.from({ length: 10 }, (_, pid) => ledger.lockRun(run, { ...ACTOR, pid: pid + 1 })),
  );
  const won = tries.findIndex((one) => one.status === 'fulfilled');
  const refused = tries.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []));
  expect(refused).toHaveLength(9);
  for (const error of refused) {
    expect(error).toMatchObject({ code: 'RUN_BUSY', details: { holder: { pid: won + 1 } } });
  }
});

test('a lock whose backend is terminated is lost, and free for others', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const { id: run } = await newRun(ledger);
  const lock = await ledger.lockRun(run, ACTOR);
  await server.query(database, TERMINATE_HOLDER);
  expect(await lock.lost).toMatchObject({
    code: 'LEDGER_UNREACHABLE',
    message: expect.stringContaining(run),
  });
  expect((await ledger.run(run)).holder).toBeNull();
  await lock.release();
  const again = await ledger.lockRun(run, OTHER);
  expect((await ledger.run(run)).holder).toMatchObject(OTHER);
  await again.release();
});

test('a lock whose network swallows packets is lost within 13 s', { timeout: 30_000 }, async () => {
  const database = await server.database();
  const proxy = await Proxy.to(server.config(database).port);
  const ledger = await server.open(database, { port: proxy.port });
  const { id: run } = await newRun(ledger);
  const lock = await ledger.lockRun(run, ACTOR);
  proxy.freeze();
  const begun = Date.now();
  expect(await lock.lost).toMatchObject({ code: 'LEDGER_UNREACHABLE' });
  expect(Date.now() - begun).toBeLessThan(14_000);
});

test('a name in the ledger is nobody at work where its backend holds another lock', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const one = await newRun(ledger, { days: [1, 2] });
  const two = await newRun(ledger, { days: [2, 3] });
  await ledger.lockRun(one.id, ACTOR);
  await server.query(
    database,
    `UPDATE refill.run SET (holder, holder_since, holder_backend) =
       (SELECT holder, holder_since, holder_backend FROM refill.run WHERE id = $1) WHERE id = $2`,
    [one.id, two.id],
  );
  expect((await ledger.run(one.id)).holder).not.toBeNull();
  expect((await ledger.run(two.id)).holder).toBeNull();
});

test('a name is waited for, and one of before is not shown for somebody else', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const { id: run } = await newRun(ledger);
  const lock = await ledger.lockRun(run, ACTOR);
  await server.query(database, TERMINATE_HOLDER);
  await lock.lost;
  // A program between taking the lock and writing its name; that of the one before is still there.
  const other = await server.connect(database);
  const [taken] = (await other.query<{ taken: boolean }>(TAKE, [run])).rows;
  expect(taken).toEqual({ taken: true });
  expect((await ledger.run(run)).holder).toBeNull();
  await expect(ledger.lockRun(run, ACTOR)).rejects.toMatchObject({
    code: 'RUN_BUSY',
    message: `Another program is at work on run ${run}.`,
  });
  const refused = expect(ledger.lockRun(run, ACTOR)).rejects.toMatchObject({ details: { holder: OTHER } });
  await sleep(400);
  await other.query(
    `UPDATE refill.run SET holder = $2, holder_since = now(), holder_backend = pg_backend_pid() WHERE id = $1`,
    [run, JSON.stringify(OTHER)],
  );
  await refused;
});

test('when a release returns the lock is free', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const { id: run } = await newRun(ledger);
  const other = await server.connect(database);
  for (let round = 0; round < 20; round++) {
    await (await ledger.lockRun(run, ACTOR)).release();
    expect((await other.query(TAKE, [run])).rows).toEqual([{ taken: true }]);
    await other.query('SELECT pg_advisory_unlock_all()');
  }
});

test('closing the ledger gives its locks back', async () => {
  const database = await server.database();
  const first = await server.open(database);
  const second = await server.open(database);
  const { id: run } = await newRun(first);
  const closing = await server.open(database);
  await closing.lockRun(run, ACTOR);
  await expect(second.lockRun(run, OTHER)).rejects.toMatchObject({ code: 'RUN_BUSY' });
  await closing.close();
  await (await second.lockRun(run, OTHER)).release();
});
