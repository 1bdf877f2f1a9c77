import type { DatasetDefinition } from './definition.ts';

/**
 * Defines a dataset: gives the editor the types, and returns its argument. Whether it fits the databases is found by
 * `refill doctor` and by every plan, before anything is deleted.
 *
 * @example docs/dataset.md builds one for orders and line items.
 */
export function defineDataset(definition: DatasetDefinition): DatasetDefinition {
  return definition;
}
