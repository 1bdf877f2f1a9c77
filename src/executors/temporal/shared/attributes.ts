import { defineSearchAttributeKey, type SearchAttributePair, SearchAttributeType } from '@temporalio/common';
import type { SearchAttribute } from './names.ts';

/** What operators search by, as the SDK takes it. */
export function attributePairs(values: Partial<Readonly<Record<SearchAttribute, string>>>): SearchAttributePair[] {
  return Object.entries(values).map(([name, value]) => ({
    key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
    value,
  }));
}
