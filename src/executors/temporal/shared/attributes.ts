import type { SearchAttributePair } from '@temporalio/common';
import type { SearchAttribute } from './names.ts';

/** Characters of a keyword that every server stores; a longer one would stop the workflow, or its visibility. */
const MOST = 255;

/** What operators search by. */
export type Attributes = Partial<Readonly<Record<SearchAttribute, string>>>;

/**
 * What operators search by, as the SDK takes it. Its own function for a key would have to be imported, by programs
 * without Temporal as well.
 */
export function attributePairs(values: Attributes): SearchAttributePair[] {
  return Object.entries(values).map(([name, value]) => ({
    key: { name, type: 'KEYWORD' },
    value: value.slice(0, MOST),
  }));
}
