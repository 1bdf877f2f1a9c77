/** Refill as a library. Importing it has no side effects. */
export { createRefill } from './create-refill.ts';
export type {
  BackfillReport,
  CancelWaiting,
  FleetReport,
  FleetStatus,
  PlanFleetOptions,
  Refill,
  RunDetails,
  RunOptions,
  TenantRequest,
  WorkOptions,
} from './refill.ts';
export { type ConfigInput, defineConfig } from './config/define.ts';
export { defineScorer, type FunctionScorer } from './config/scorer.ts';
export { loadConfig } from './config/load.ts';
export type { RefillConfig } from './config/config.ts';
export { defineDataset } from './dataset/define.ts';
export {
  array,
  bool,
  bytes,
  date,
  decimal,
  enumeration,
  float,
  int,
  ip,
  map,
  text,
  timestamp,
  tuple,
  uuid,
} from './dataset/definition.ts';
export type { ColumnDefinition, DatasetDefinition, Exclusion, TableDefinition, Untimed } from './dataset/definition.ts';
export { scorecards } from './dataset/scorecards.ts';
export type {
  Audience,
  BackfillEvent,
  BackfillPlan,
  BackfillRequest,
  BackfillResult,
  BackfillTally,
} from './domain/backfill.ts';
export type { Judgement, ScorerItem, ScorerRequest, ScorerTemplate } from './domain/scorer.ts';
export { RefillError } from './domain/errors.ts';
export type { ErrorCode } from './domain/catalogue.ts';
export type { Drift, TableProof } from './domain/drift.ts';
export type {
  Explanation,
  Finding,
  Progress,
  RunEvent,
  RunResult,
  TenantFinding,
  VerifiedTable,
  VerifyResult,
} from './domain/events.ts';
export type { DependentAction, DependentAnswers, DependentOutcome, PlannedDependent } from './domain/dependents.ts';
export type { Executor } from './domain/executor.ts';
export type { FleetEvent, FleetProgress, FleetResult } from './domain/fleet-events.ts';
export type {
  ClusterFindings,
  ClusterTally,
  FleetMember,
  FleetPlan,
  FleetRequest,
  FleetState,
  Unproven,
} from './domain/fleet.ts';
export type { Limits } from './domain/limits.ts';
export type { MutationFinding } from './domain/mutations.ts';
export type { Plan, TableCount, Warning } from './domain/plan.ts';
export type { PlanRequest, Survey } from './domain/requests.ts';
export type { Instant, Range, Strategy, Tenant, TenantName } from './domain/words.ts';
