import { expect, test } from 'vitest';
import { classify, type SourceRow, type TargetRow } from '../../src/domain/classify.ts';

const range = { from: '2026-01-01T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' };
const source = (change: Partial<SourceRow> = {}): SourceRow => ({
  excluded: null,
  time: '2026-01-10T00:00:00.000Z',
  hash: 'h',
  inPart: true,
  ...change,
});
const target = (change: Partial<TargetRow> = {}): TargetRow => ({
  misplaced: false,
  inPart: true,
  time: '2026-01-10T00:00:00.000Z',
  version: '1',
  hash: 'h',
  ...change,
});
const outside = [
  ['before the range', '2025-12-31T23:59:59.999Z'],
  ['at its end', '2026-02-01T00:00:00.000Z'],
] as const;

test.each<[string, SourceRow | SourceRow[] | null, TargetRow[], string, string?]>([
  ['nowhere', null, [], 'present'],
  ['equal', source(), [target()], 'present'],
  ['equal, with another version', source(), [target({ version: '2' })], 'present'],
  ['at the very beginning of the range', source({ time: range.from }), [target({ time: range.from })], 'present'],
  ['not in the target', source(), [], 'missing', 'not_in_target'],
  ['not in the source', null, [target()], 'extra', 'not_in_source'],
  ['not in the source, twice in the target', null, [target(), target()], 'extra', 'not_in_source'],
  ['left out', source({ excluded: 'appeal' }), [], 'excluded', 'appeal'],
  ['left out, and in the target', source({ excluded: 'appeal' }), [target()], 'extra', 'appeal'],
  ['left out, outside of the range', source({ excluded: 'appeal', time: range.to }), [target()], 'extra', 'appeal'],
  ['twice in the source', [source(), source({ hash: 'x' })], [target()], 'duplicated', 'several_in_source'],
  ['twice on both sides', [source(), source()], [target(), target()], 'duplicated', 'several_in_source'],
  ['in the source, and left out there once more', [source(), source({ excluded: 'appeal' })], [target()], 'present'],
  ['twice, both equal', source(), [target(), target()], 'duplicated', 'several_rows'],
  ['twice, both different', source(), [target({ hash: 'x' }), target({ hash: 'y' })], 'duplicated', 'several_rows'],
  ['another column differs', source(), [target({ hash: 'x' })], 'stale', 'differs'],
  ['on another shard', source(), [target({ hash: 'x', misplaced: true })], 'stale', 'wrong_shard'],
  ['its time differs', source(), [target({ hash: 'x', time: '2026-01-11T00:00:00.000Z' })], 'stale', 'moved'],
  ...outside.map(([when, time]): [string, SourceRow, TargetRow[], string, string] => [
    `in the target, its source ${when}`,
    source({ time }),
    [target()],
    'extra',
    'moved',
  ]),
  ...outside.map(([when, time]): [string, SourceRow, TargetRow[], string] => [
    `nowhere in the range, its source ${when}`,
    source({ time }),
    [],
    'present',
  ]),
])('%s', (_name, row, targets, verdict, reason) => {
  expect(classify(row ? [row].flat() : [], targets, range)).toEqual(
    reason === undefined ? { verdict } : { verdict, reason },
  );
});
