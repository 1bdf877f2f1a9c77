import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createShares, type Release } from '../../src/domain/share.ts';
import type { ShareLimits, ShareRequest } from '../../src/domain/share-limits.ts';

const many = { total: 100, perCluster: 100, perServer: 100, perTenant: 100 };
const tenant = (name: string, more: Partial<ShareRequest> = {}): ShareRequest => ({
  cluster: 'a',
  server: 'pg',
  tenant: name,
  ...more,
});
/** Lets everything that was resolved go on. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Asks for slots and writes down who got one, in order. */
function asking(limits: ShareLimits) {
  const shares = createShares(limits);
  const got: string[] = [];
  const held: { tenant: string; release: Release }[] = [];
  const ask = (request: ShareRequest, times = 1) => {
    for (let n = 0; n < times; n++)
      void (async () => {
        const release = await shares.acquire(request);
        got.push(request.tenant);
        held.push({ tenant: request.tenant, release });
      })();
  };
  /** Gives back one slot, of a tenant or the one that is held longest. */
  const give = async (of?: string) => {
    const index = held.findIndex((one) => of === undefined || one.tenant === of);
    held.splice(index, 1)[0]?.release();
    await settled();
  };
  return { shares, got, held, ask, give };
}

test('one that is alone has all slots', async () => {
  const { ask, held } = asking({ ...many, total: 4 });
  ask(tenant('huge'), 1000);
  await settled();
  expect(held).toHaveLength(4);
});

test('a tenant with four rows has its slot within one release, though a huge one has thousands waiting', async () => {
  const { ask, give, got } = asking({ ...many, total: 4 });
  ask(tenant('huge'), 5000);
  await settled();
  ask(tenant('small'));
  await give();
  expect(got).toEqual(['huge', 'huge', 'huge', 'huge', 'small']);
  await give('small');
  expect(got.at(-1)).toBe('huge');
});

test('the same with a single slot, and with many huge ones', async () => {
  const { ask, give, got } = asking({ ...many, total: 1 });
  for (const name of ['h1', 'h2', 'h3']) ask(tenant(name), 1000);
  await settled();
  for (let n = 0; n < 10; n++) await give();
  ask(tenant('small'));
  await give();
  expect(got.at(-1)).toBe('small');
});

test('one that comes late does not catch up: it takes turns', async () => {
  const { ask, give, got } = asking({ ...many, total: 1 });
  ask(tenant('old'), 1000);
  await settled();
  for (let n = 0; n < 50; n++) await give();
  ask(tenant('late'), 1000);
  for (let n = 0; n < 20; n++) await give();
  const since = got.slice(51);
  expect(since.filter((name) => name === 'late')).toHaveLength(10);
  expect(since.slice(0, 4)).toEqual(['late', 'old', 'late', 'old']);
});

test('slots even out as they are given back', async () => {
  const { ask, give, held } = asking({ ...many, total: 6 });
  ask(tenant('a'), 100);
  await settled();
  ask(tenant('b'), 100);
  ask(tenant('c'), 100);
  for (let n = 0; n < 4; n++) await give('a');
  expect(held.map((one) => one.tenant).sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
});

test('a higher priority goes before all fairness; within a tenant too', async () => {
  const { ask, give, got } = asking({ ...many, total: 1 });
  ask(tenant('first'));
  ask(tenant('small'));
  ask(tenant('urgent', { priority: 1 }), 3);
  await settled();
  for (let n = 0; n < 4; n++) await give();
  expect(got).toEqual(['first', 'urgent', 'urgent', 'urgent', 'small']);
});

test('each limit holds by itself, and one that is full does not keep others waiting', async () => {
  const { ask, shares } = asking({ total: 6, perCluster: 4, perServer: 3, perTenant: 2 });
  ask(tenant('t1'), 9);
  ask(tenant('t2'), 9);
  ask(tenant('t3', { server: 'pg2' }), 9);
  ask(tenant('t4', { cluster: 'b', server: 'pg3' }), 9);
  ask(tenant('t5', { cluster: 'c', server: 'pg4' }), 9);
  await settled();
  expect(shares.inUse()).toEqual({
    total: 6,
    clusters: { a: 4, b: 2 },
    servers: { pg: 3, pg2: 1, pg3: 2 },
    tenants: [
      { cluster: 'a', tenant: 't1', slots: 2 },
      { cluster: 'a', tenant: 't2', slots: 1 },
      { cluster: 'a', tenant: 't3', slots: 1 },
      { cluster: 'b', tenant: 't4', slots: 2 },
    ],
  });
  const waiting = Object.fromEntries(shares.waiting().map((one) => [one.tenant, `${one.count}: ${one.reason}`]));
  expect(waiting).toEqual({
    t1: '7: tenant t1 (2 of 2 slots in use)',
    t2: '8: Postgres server pg (3 of 3 slots in use)',
    t3: '8: cluster a (4 of 4 slots in use)',
    t4: '7: tenant t4 (2 of 2 slots in use)',
    t5: '9: the fleet (6 of 6 slots in use)',
  });
});

test('limits change at work: none is taken away, more begin at once, and a hold is a limit of 0', async () => {
  const { ask, give, held, shares } = asking({ ...many, perCluster: 4 });
  ask(tenant('t'), 20);
  await settled();
  shares.set({ clusters: { a: 0 } });
  expect(held).toHaveLength(4);
  await give();
  expect(held).toHaveLength(3);
  expect(shares.waiting()[0]?.reason).toBe('cluster a (3 of 0 slots in use)');
  shares.set({ clusters: {} });
  await settled();
  expect(held).toHaveLength(4);
  shares.set({ clusters: { a: 7 } });
  await settled();
  expect(held).toHaveLength(7);
  shares.set({ perTenant: 8, perCluster: 9, clusters: {} });
  await settled();
  expect(held).toHaveLength(8);
  expect(shares.limits).toEqual({ ...many, perTenant: 8, perCluster: 9, clusters: {} });
});

test('a limit that is none is refused, and the old ones stay', () => {
  const shares = createShares(many);
  expect(() => shares.set({ total: Number.NaN })).toThrow(RangeError);
  expect(() => shares.set({ tenants: { t: -1 } })).toThrow(RangeError);
  expect(shares.limits).toEqual(many);
  shares.set({ total: Infinity });
});

test('two clusters may have tenants of one name', async () => {
  const { ask, shares } = asking({ ...many, perTenant: 1 });
  ask(tenant('t'));
  ask(tenant('t', { cluster: 'b' }));
  await settled();
  expect(shares.inUse()).toMatchObject({ total: 2, clusters: { a: 1, b: 1 } });
});

test('who is aborted gives up the place, and who has a slot keeps it', async () => {
  const shares = createShares({ ...many, total: 1 });
  const stop = new AbortController();
  const release = await shares.acquire(tenant('t'), stop.signal);
  const waits = shares.acquire(tenant('t'), stop.signal);
  const other = shares.acquire(tenant('u'));
  stop.abort(new Error('stopped'));
  await expect(waits).rejects.toThrow('stopped');
  await expect(shares.acquire(tenant('t'), stop.signal)).rejects.toThrow('stopped');
  expect(shares.inUse().total).toBe(1);
  expect(shares.waiting().map((one) => one.tenant)).toEqual(['u']);
  release();
  release();
  (await other)();
  expect(shares.inUse()).toEqual({ total: 0, clusters: {}, servers: {}, tenants: [] });
  expect(shares.waiting()).toEqual([]);
});

test('thousands that wait on one signal warn of no leak, and all leave when it is aborted', async () => {
  const warnings: string[] = [];
  const warned = (warning: Error) => warnings.push(warning.name);
  process.on('warning', warned);
  const shares = createShares({ ...many, total: 0 });
  const [stop, leave] = [new AbortController(), new AbortController()];
  const pool = shares.pool(tenant('t'), { signal: stop.signal, leave: leave.signal });
  const waits = Promise.allSettled([
    ...Array.from({ length: 2000 }, () => shares.acquire(tenant('t'), stop.signal)),
    ...Array.from({ length: 2000 }, () => pool.run(() => Promise.resolve())),
  ]);
  expect(shares.waiting()[0]?.count).toBe(4000);
  stop.abort(new Error('stopped'));
  expect((await waits).every((one) => one.status === 'rejected')).toBe(true);
  expect(shares.waiting()).toEqual([]);
  await settled();
  process.off('warning', warned);
  expect(warnings).toEqual([]);
});

test('a task gives its slot back when it throws', async () => {
  const shares = createShares({ ...many, total: 1 });
  await expect(shares.run(tenant('t'), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await expect(shares.run(tenant('t'), () => Promise.resolve(7))).resolves.toBe(7);
  expect(shares.inUse().total).toBe(0);
});

test('as a pool: stopped it rejects, and left it runs what waits without a slot', async () => {
  const shares = createShares({ ...many, total: 0 });
  const [stop, leave] = [new AbortController(), new AbortController()];
  const stopped = shares.pool(tenant('t'), { signal: stop.signal }).run(() => Promise.resolve('ran'));
  const left = shares.pool(tenant('t'), { signal: stop.signal, leave: leave.signal }).run(() => Promise.resolve('ran'));
  leave.abort();
  await expect(left).resolves.toBe('ran');
  stop.abort(new Error('stopped'));
  await expect(stopped).rejects.toThrow('stopped');
  expect(shares.inUse().total).toBe(0);
  shares.set({ total: 1 });
  await expect(shares.pool(tenant('t')).run(() => Promise.resolve('in a slot'))).resolves.toBe('in a slot');
});

test('a hundred tenants with thousands of waiters are served in a moment', async () => {
  const shares = createShares({ ...many, total: 8 });
  let done = 0;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: 20_000 }, (_, n) =>
      shares.run(tenant(`t${n % 100}`), () => {
        done += 1;
        return Promise.resolve();
      }),
    ),
  );
  expect(done).toBe(20_000);
  // Some hundred ms here; ten times that would be a mistake in how the next one is found.
  expect(performance.now() - began).toBeLessThan(10_000);
});

const name = (prefix: string, n: number) => fc.integer({ min: 0, max: n - 1 }).map((i) => `${prefix}${i}`);
const limit = fc.integer({ min: 0, max: 4 });
const operation = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('ask' as const),
      tenant: name('t', 5),
      priority: fc.integer({ min: 0, max: 1 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('give' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('abort' as const), which: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('set' as const),
      total: limit,
      perCluster: limit,
      perServer: limit,
      perTenant: limit,
    }),
  },
);
/** Where each tenant is: some share a cluster, some a server. */
const place = (tenant: string) => {
  const n = Number(tenant.slice(1));
  return { cluster: `c${n % 2}`, server: `s${n % 3}` };
};

test('in any order of asking, giving, aborting and new limits: no limit is passed, none waits who could begin, none is lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 80 }), async (operations) => {
      const shares = createShares({ total: 3, perCluster: 2, perServer: 2, perTenant: 2 });
      const held: { tenant: string; release: Release }[] = [];
      const waits: { tenant: string; stop: AbortController }[] = [];
      const used = (by: (tenant: string) => string, of: string) => held.filter((one) => by(one.tenant) === of).length;
      const fits = (tenant: string, room: number) => {
        const { total, perCluster, perServer, perTenant } = shares.limits;
        const { cluster, server } = place(tenant);
        return (
          held.length + room <= total &&
          used((t) => place(t).cluster, cluster) + room <= perCluster &&
          used((t) => place(t).server, server) + room <= perServer &&
          used((t) => t, tenant) + room <= perTenant
        );
      };
      for (const op of operations) {
        const before = held.length;
        if (op.type === 'ask') {
          const one = { tenant: op.tenant, stop: new AbortController() };
          waits.push(one);
          const request = { ...place(op.tenant), tenant: op.tenant, priority: op.priority };
          void (async () => {
            const release = await shares.acquire(request, one.stop.signal).catch(() => null);
            waits.splice(waits.indexOf(one), 1);
            if (release) held.push({ tenant: op.tenant, release });
          })();
        } else if (op.type === 'give') {
          if (held.length > 0) held.splice(op.which % held.length, 1)[0]?.release();
        } else if (op.type === 'abort') {
          if (waits.length > 0) waits[op.which % waits.length]?.stop.abort(new Error('stopped'));
        } else {
          const { type: _, ...limits } = op;
          shares.set(limits);
        }
        await settled();
        // New limits may be passed by what was at work before them, and by nothing else.
        if (held.length > before) for (const { tenant } of held.slice(before)) expect(fits(tenant, 0)).toBe(true);
        for (const { tenant } of waits) expect(fits(tenant, 1)).toBe(false);
        expect(shares.inUse().total).toBe(held.length);
        expect(shares.waiting().reduce((n, one) => n + one.count, 0)).toBe(waits.length);
        expect(shares.waiting().every((one) => one.reason !== 'its turn')).toBe(true);
      }
      shares.set({ total: 100, perCluster: 100, perServer: 100, perTenant: 100 });
      await settled();
      expect(waits).toEqual([]);
      for (const { release } of held) release();
      expect(shares.inUse().total).toBe(0);
    }),
    { numRuns: 150 },
  );
});

test('tenants that always want more have the same number of slots, but for one, whatever their order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.nat(), { minLength: 20, maxLength: 60 }),
      async (tenants, total, gives) => {
        const { ask, held } = asking({ ...many, total });
        for (let n = 0; n < tenants; n++) ask(tenant(`t${n}`), 200);
        await settled();
        // Whoever came first may have had all of them: each is given back once.
        for (const release of held.splice(0).map((one) => one.release)) release();
        await settled();
        for (const which of gives) {
          held.splice(which % held.length, 1)[0]?.release();
          await settled();
          const counts = Array.from({ length: tenants }, (_, n) => held.filter((one) => one.tenant === `t${n}`).length);
          expect(held).toHaveLength(total);
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        }
      },
    ),
    { numRuns: 50 },
  );
});
