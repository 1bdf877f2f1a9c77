import { expect, test } from 'vitest';
import { Tallies } from '../../src/domain/balance.ts';
import { differences, verifiedTables } from '../../src/domain/verified.ts';
import { WindowAccount } from '../../src/steps/accounts.ts';

const WINDOW = {
  id: 1,
  from: '2026-01-01T00:00:00.000Z',
  to: '2026-01-02T00:00:00.000Z',
  snapshot: '2026-01-03T00:00:00.000Z',
  sums: [],
};

test('sides that differ without a named row leave their bucket unexplained, and no proof of them is green', () => {
  const source = { table: 't', rows: 3, excluded: {}, buckets: { 7: [3, '30.60'] as const } };
  const account = new WindowAccount(WINDOW, source, Tallies.of({ 7: [2, '20.40'] }));
  expect(account.unexplained()).toEqual([7]);

  account.drift.push({
    table: 't',
    key: 'bucket 7',
    kind: 'unexplained',
    reason: 'unbalanced',
    time: WINDOW.from,
    source: 3,
    target: 2,
    columns: [],
    elsewhere: [],
    query: 'SELECT 1',
  });
  const tables = verifiedTables([account.proof('t')], account.drift);
  expect(tables).toMatchObject([{ unexplained: 1, missing: 0, keys: { unexplained: ['bucket 7'] } }]);
  expect(differences(tables)).toBe(1);
});
