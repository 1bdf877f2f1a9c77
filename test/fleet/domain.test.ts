import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { refuseBlast } from '../../src/domain/blast.ts';
import {
  collisions,
  collisionWords,
  planOrder,
  type PlacedTenant,
  reachOf,
  type Servers,
} from '../../src/domain/fleet.ts';
import { databaseName, formatTenant } from '../../src/domain/words.ts';

const server = (...known: string[]): Servers => ({ known, all: true });
const name = fc.stringMatching(/^[a-c._-]{1,3}$/u);
const placed: fc.Arbitrary<PlacedTenant> = fc.record({
  customer: name,
  profile: name,
  cluster: fc.constantFrom('east', 'west'),
  sourceServers: fc.constantFrom(server('pg-1'), server('pg-2')),
  targetServers: fc.constantFrom(server('ch-1'), server('ch-2')),
  sourceDatabase: name,
  targetDatabase: name,
});

/** The same said in another way: no two entries have anything in common that only one may have. */
function isBijection(tenants: readonly PlacedTenant[]): boolean {
  const distinct = (of: (t: PlacedTenant) => string) => new Set(tenants.map(of)).size === tenants.length;
  return (
    distinct((t) => `${t.cluster}/${formatTenant(t)}`) &&
    distinct((t) => `${t.sourceServers.known.join()}/${t.sourceDatabase}`) &&
    distinct((t) => `${t.targetServers.known.join()}/${t.targetDatabase}`)
  );
}

test('a tenant map without collisions is a bijection, and one with them is not', () => {
  let [bijections, others] = [0, 0];
  fc.assert(
    fc.property(fc.array(placed, { maxLength: 6 }), (tenants) => {
      if (isBijection(tenants)) bijections += 1;
      else others += 1;
      expect(collisions(tenants).length === 0).toBe(isBijection(tenants));
    }),
    { numRuns: 500 },
  );
  // Both kinds were looked at.
  expect(Math.min(bijections, others)).toBeGreaterThan(20);
});

test('each collision names two tenants that share what it says', () => {
  fc.assert(
    fc.property(fc.array(placed, { maxLength: 6 }), (tenants) => {
      for (const collision of collisions(tenants)) {
        const [a, b] = collision.tenants;
        expect(a).not.toBe(b);
        expect(isBijection([a, b])).toBe(false);
        expect(collisionWords(collision)).toContain(formatTenant(a));
      }
    }),
  );
});

test('two names that sanitise to one database collide, on whichever cluster of one server they are', () => {
  const tenant = (customer: string, cluster: string, targetServers: Servers): PlacedTenant => {
    const database = databaseName({ customer, profile: 'main' });
    return {
      customer,
      profile: 'main',
      cluster,
      sourceServers: server(`pg-${cluster}`),
      sourceDatabase: database,
      targetServers,
      targetDatabase: database,
    };
  };
  const words = (east: Servers, west: Servers) =>
    collisions([tenant('a.b', 'east', east), tenant('a-b', 'west', west)]).map(collisionWords);
  const same = 'a.b/main (cluster east) and a-b/main (cluster west) have the same target database a_b_main';
  expect(words(server('r1', 'r2'), server('r2', 'r3'))).toEqual([same]);
  expect(words(server('r1', 'r2'), server('r3'))).toEqual([]);
  // A server that does not answer may be one of the others: unknown is not different.
  expect(words(server('r1'), { known: ['r3'], all: false })).toEqual([`${same}, as far as their servers answer`]);
  expect(words(server('r1'), { known: ['r1'], all: false })).toEqual([same]);
});

const member = fc.record({
  customer: name,
  profile: name,
  cluster: fc.constantFrom('east', 'west'),
  priority: fc.integer({ min: -2, max: 2 }),
  plan: fc.option(fc.constant('p-1')),
  problem: fc.constant(null),
  rowsBefore: fc.nat(100),
  rowsToDelete: fc.nat(100),
  rowsToWrite: fc.nat(5),
  rowsToRewrite: fc.nat(100),
  warnings: fc.constant([]),
});

test('priority goes first, then small; the order does not depend on how the tenants came', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(member, { selector: (m) => `${m.cluster} ${formatTenant(m)}`, maxLength: 12 }),
      (members) => {
        const ordered = planOrder(members);
        expect(ordered.map((m) => m.order)).toEqual(members.map((_, n) => n + 1));
        for (const [n, next] of ordered.slice(1).entries()) {
          const before = ordered[n];
          if (!before) throw new Error('no member');
          expect(before.priority).toBeGreaterThanOrEqual(next.priority);
          if (before.priority === next.priority) expect(before.rowsToWrite).toBeLessThanOrEqual(next.rowsToWrite);
        }
        expect(planOrder([...members].reverse())).toEqual(ordered);
      },
    ),
  );
});

test('what a fleet touches is what its plans touch: who has none touches nothing', () => {
  const one = { customer: 'a', profile: 'b', cluster: 'east', priority: 0, problem: null, rowsBefore: 1, warnings: [] };
  const planned = { ...one, plan: 'p-1', rowsToDelete: 10, rowsToWrite: 20, rowsToRewrite: 30 };
  expect(reachOf([planned, { ...planned, cluster: 'west' }, { ...planned, plan: null }])).toEqual({
    tenants: 2,
    clusters: 2,
    rowsToDelete: 20,
    rowsToWrite: 40,
    rowsToRewrite: 60,
  });
});

test('many rows need their very number', () => {
  const blast = { id: 'p-1', rowsToDelete: 101 };
  expect(() => refuseBlast(blast, 100, undefined)).toThrow(/p-1 deletes up to 101 rows/u);
  expect(() => refuseBlast(blast, 100, 102)).toThrow(/102 were confirmed/u);
  // A number that is given is the plan's, also where none is needed: it may be another plan than was thought.
  expect(() => refuseBlast(blast, 1000, 5)).toThrow(/5 were confirmed/u);
  refuseBlast(blast, 100, 101);
  refuseBlast(blast, 101, undefined);
});
