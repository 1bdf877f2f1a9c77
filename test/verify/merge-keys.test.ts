import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Tallies, unequalBuckets, unexplainedBuckets } from '../../src/domain/balance.ts';
import { bucketOf, type Mismatch, mergeKeys } from '../../src/steps/compare-keys.ts';

interface Row {
  readonly key: string;
  readonly hash: string;
}

const hash = (digit: string) => digit.padStart(16, '0');
const rows = fc
  .array(
    fc.record({
      // NULL comes before every byte, and an escape is the byte that it stands for.
      key: fc
        .array(fc.constantFrom('a', 'b', '\\0', '\u00ff', '\\\\'), { maxLength: 2 })
        .map((parts) => parts.join(''))
        .chain((text) => fc.constantFrom(text, '\\N')),
      hash: fc.constantFrom(hash('1'), hash('2')),
    }),
    { maxLength: 12 },
  )
  .map((list) => list.sort((a, b) => (rank(a.key) < rank(b.key) ? -1 : rank(a.key) > rank(b.key) ? 1 : 0)));

/** A key as both servers sort it. */
function rank(key: string): string {
  return key === '\\N' ? '' : `+${key.replaceAll(/\\(.)/gu, (_, c: string) => (c === '0' ? '\0' : c))}`;
}

async function* stream(list: readonly Row[]): AsyncGenerator<Row> {
  for (const row of list) {
    await Promise.resolve();
    yield row;
  }
}

test('merged row by row, the mismatches are the keys that are not exactly once on both sides with one hash', async () => {
  await fc.assert(
    fc.asyncProperty(rows, rows, async (source, target) => {
      const found: Mismatch[] = [];
      const compared = { whole: { source: new Tallies(), target: new Tallies() }, equal: new Tallies() };
      await mergeKeys(stream(source), stream(target), compared, (mismatch) => void found.push(mismatch));

      const keys = [...new Set([...source, ...target].map((r) => r.key))].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
      const sides = (key: string) =>
        [source, target].map((side) => side.filter((r) => r.key === key).map((r) => r.hash));
      const meant = keys.flatMap((key) => {
        const [left = [], right = []] = sides(key);
        const equal = left.length === 1 && right.length === 1 && left[0] === right[0];
        return equal ? [] : [{ key, source: left, target: right }];
      });
      expect(found).toEqual(meant);

      // What the sides differ in is what the mismatches differ in: named, they leave nothing unexplained.
      const named = { source: new Tallies(), target: new Tallies() };
      for (const one of found) {
        for (const h of one.source) named.source.add(bucketOf(one.key), h);
        for (const h of one.target) named.target.add(bucketOf(one.key), h);
      }
      expect(unexplainedBuckets(compared.whole, named)).toEqual([]);
      expect(compared.equal.total().rows).toBe(keys.length - found.length);
    }),
    { numRuns: 500 },
  );
});

test('a bucket is unequal where its rows or its sum are, or where one side has none of it', () => {
  const unequal = (source: Parameters<typeof Tallies.of>[0], target: Parameters<typeof Tallies.of>[0]) =>
    unequalBuckets({ source: Tallies.of(source), target: Tallies.of(target) }).sort((a, b) => a - b);
  expect(unequal({}, {})).toEqual([]);
  expect(unequal({ 1: [2, '10.20'] }, { 1: [2, '10.20'] })).toEqual([]);
  expect(unequal({ 1: [2, '10.20'] }, { 1: [2, '10.21'] })).toEqual([1]);
  expect(unequal({ 1: [2, '10.20'] }, { 1: [1, '10.20'] })).toEqual([1]);
  expect(unequal({ 1: [2, '10.20'], 3: [1, '5.5'] }, { 2: [2, '10.20'], 3: [1, '5.5'] })).toEqual([1, 2]);
});

test('a difference is explained by named rows whose counts and sums make it up, and by no others', () => {
  const sides = (source: Parameters<typeof Tallies.of>[0], target: Parameters<typeof Tallies.of>[0]) => ({
    source: Tallies.of(source),
    target: Tallies.of(target),
  });
  const differing = sides({ 1: [3, '30.60'] }, { 1: [2, '20.40'] });
  expect(unexplainedBuckets(differing, sides({ 1: [1, '10.20'] }, {}))).toEqual([]);
  expect(unexplainedBuckets(differing, sides({}, {}))).toEqual([1]);
  expect(unexplainedBuckets(differing, sides({ 1: [1, '11.20'] }, {}))).toEqual([1]);
  expect(unexplainedBuckets(differing, sides({ 2: [1, '10.20'] }, {}))).toEqual([1, 2]);
});
