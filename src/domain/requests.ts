import type { DependentAnswers } from './dependents.ts';
import type { DayCount, TableCount } from './plan.ts';
import type { Only, Range, Strategy, TenantName } from './words.ts';

/** What a plan is asked for. */
export interface PlanRequest {
  readonly tenant: TenantName;
  readonly range: Range;
  /** Needed only where several clusters have a tenant of this name. */
  readonly cluster?: string;
  /** Default: the only or the first dataset of the configuration. */
  readonly dataset?: string;
  /** Default: `replace` where every table has a version column, else `purge`. */
  readonly strategy?: Strategy;
  /** Default: all tables of the dataset, the optional ones only where the target has rows in them. */
  readonly tables?: readonly string[];
  /** What to do about what depends on the tables, by name; goes before the configuration. Default: what that says. */
  readonly dependents?: DependentAnswers;
  /** Default: every row of the range. */
  readonly only?: Only;
}

/** What a plan of some ids is asked for: their range is where they are found, on both sides. */
export type IdsRequest = Omit<PlanRequest, 'range' | 'only'> & { readonly ids: readonly string[] };

/** What both sides hold of a tenant's range, by table and by day. */
export interface Survey {
  readonly tenant: TenantName;
  readonly cluster: string;
  readonly dataset: string;
  readonly range: Range;
  readonly tables: readonly TableCount[];
  readonly days: readonly DayCount[];
  /** Source rows without a time, by table and reason, of the whole tenant; null where they were not counted. */
  readonly untimed: readonly { readonly table: string; readonly reason: string; readonly rows: number | null }[];
}
