import type { DatasetDefinition } from './definition.ts';
import { scorecards } from './scorecards.ts';

/** Datasets that a configuration can name without defining them. */
export const BUILTIN_DATASETS: ReadonlyMap<string, DatasetDefinition> = new Map([[scorecards.name, scorecards]]);
