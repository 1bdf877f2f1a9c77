import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { upsertSearchAttributes } from '@temporalio/workflow';
import type { SearchAttribute } from '../shared/names.ts';

/** Sets what operators search by; `known` is false on a server where the attributes are not registered. */
export function setAttributes(known: boolean, values: Partial<Readonly<Record<SearchAttribute, string>>>): void {
  if (!known) return;
  upsertSearchAttributes(
    Object.entries(values).map(([name, value]) => ({
      key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
      value,
    })),
  );
}
