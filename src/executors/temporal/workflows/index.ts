/** What a worker can run. Types of workflows are the names of these functions, so none is ever renamed. */
export { refillFleet } from './fleet.ts';
export { refillTenant } from './tenant.ts';
export { refillVerify } from './verify.ts';
export { BackfillScorecards, ReindexConversations, ReindexProcessScorecards } from './taken.ts';
