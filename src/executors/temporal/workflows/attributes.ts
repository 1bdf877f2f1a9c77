import { upsertSearchAttributes } from '@temporalio/workflow';
import { attributePairs } from '../shared/attributes.ts';

/** Sets what operators search by; `known` is false on a server where the attributes are not registered. */
export function setAttributes(known: boolean, values: Parameters<typeof attributePairs>[0]): void {
  if (known) upsertSearchAttributes(attributePairs(values));
}
