import type { SearchAttributePair } from '@temporalio/common';
import type { SearchAttribute } from './names.ts';

/**
 * What operators search by, as the SDK takes it. Its own function for a key would have to be imported, by programs
 * without Temporal as well.
 */
export function attributePairs(values: Partial<Readonly<Record<SearchAttribute, string>>>): SearchAttributePair[] {
  return Object.entries(values).map(([name, value]) => ({ key: { name, type: 'KEYWORD' }, value }));
}
