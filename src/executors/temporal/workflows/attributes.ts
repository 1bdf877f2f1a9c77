import { upsertSearchAttributes } from '@temporalio/workflow';
import { type Attributes, attributePairs } from '../shared/attributes.ts';

/** Sets what operators search by; `known` is false on a server where the attributes are not registered. */
export function setAttributes(known: boolean, values: Attributes): void {
  if (known) upsertSearchAttributes(attributePairs(values));
}
