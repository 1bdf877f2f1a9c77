/**
 * What things are called on a Temporal server. They are found there by people and by programs of other versions, so
 * none of them is ever renamed.
 */

/** Workflow types. */
export const TENANT_WORKFLOW = 'refillTenant';
export const FLEET_WORKFLOW = 'refillFleet';
export const VERIFY_WORKFLOW = 'refillVerify';

/** Signal with what is wanted of a run or a fleet: `run`, `pause`. To cancel is to cancel the workflow. */
export const WANTED_SIGNAL = 'refillWanted';
/** Signal to a workflow that was taken over, by the worker that is at it: `{ run, state }`, as soon as they are known. */
export const NEWS_SIGNAL = 'refillNews';
/** Update with `{ windows }`: how many windows of the run may be at work at once from now on. */
export const LIMITS_UPDATE = 'refillLimits';
/** Query: how far it is, as far as the workflow itself knows. */
export const PROGRESS_QUERY = 'refillProgress';

/** Search attributes, all of them keywords. */
export const SEARCH_ATTRIBUTES = [
  'RefillRun',
  'RefillCluster',
  'RefillTenant',
  'RefillDataset',
  'RefillState',
] as const;
export type SearchAttribute = (typeof SEARCH_ATTRIBUTES)[number];

/** The task queue of fleets: any worker serves it. */
export const fleetQueue = (prefix: string): string => prefix;
/** The task queue of a cluster's runs: only workers that reach its databases serve it. */
export const clusterQueue = (prefix: string, cluster: string): string => `${prefix}-${cluster}`;

/** The workflow of a run or a fleet that was begun by itself. */
export const workflowId = (id: string): string => `refill-${id}`;
/** The workflow of a fleet's tenant, known before its run is. */
export const memberWorkflowId = (fleet: string, order: number): string => `refill-${fleet}-${order}`;

/** What a worker is called on its task queues: operators find its process by it, and `doctor` its version. */
export const workerIdentity = (process: { readonly pid: number; readonly host: string }, version: string): string =>
  `${process.pid}@${process.host} refill ${version}`;
/** The version in such a name; null where it is somebody else's. */
export const versionOf = (identity: string): string | null => / refill (\S+)$/u.exec(identity)?.[1] ?? null;
