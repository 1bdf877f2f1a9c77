import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeKeys, unequalBuckets } from '../../src/steps/suspects.ts';

interface Row {
  readonly key: string;
  readonly hash: string;
}

const rows = fc
  .array(
    fc.record({
      key: fc.string({ unit: fc.constantFrom('a', 'b', '\u0000', '\u00ff'), maxLength: 2 }),
      hash: fc.constantFrom('1', '2'),
    }),
    {
      maxLength: 12,
    },
  )
  .map((list) => list.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)));

async function* stream(list: readonly Row[]): AsyncGenerator<Row> {
  for (const row of list) {
    await Promise.resolve();
    yield row;
  }
}

test('merged row by row, the suspects are the keys that are not exactly once on both sides with one hash', async () => {
  await fc.assert(
    fc.asyncProperty(rows, rows, async (source, target) => {
      const found: [string, string | null][] = [];
      await mergeKeys(stream(source), stream(target), (key, hash) => void found.push([key, hash]));

      const meant: [string, string | null][] = [];
      for (const key of [...new Set([...source, ...target].map((r) => r.key))].sort((a, b) => (a < b ? -1 : 1))) {
        const [left, right] = [source, target].map((side) => side.filter((r) => r.key === key).map((r) => r.hash));
        const equal = left?.length === 1 && right?.length === 1 && left[0] === right[0];
        if (!equal) meant.push([key, left?.[0] ?? null]);
      }
      expect(found).toEqual(meant);
    }),
    { numRuns: 500 },
  );
});

test('a bucket is unequal where its rows or its sum are, or where one side has none of it', () => {
  expect(unequalBuckets({}, {})).toEqual([]);
  expect(unequalBuckets({ 1: [2, '10.20'] }, { 1: [2, '10.20'] })).toEqual([]);
  expect(unequalBuckets({ 1: [2, '10.20'] }, { 1: [2, '10.21'] })).toEqual([1]);
  expect(unequalBuckets({ 1: [2, '10.20'] }, { 1: [1, '10.20'] })).toEqual([1]);
  expect(unequalBuckets({ 1: [2, '10.20'], 3: [1, '5.5'] }, { 2: [2, '10.20'], 3: [1, '5.5'] })).toEqual([1, 2]);
});
