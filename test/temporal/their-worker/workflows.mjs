// A re-indexer as users have theirs, written apart from Refill: it derives what is in a range, in turns, and goes on as new
// so that its history stays short.
import { continueAsNew, proxyActivities } from '@temporalio/workflow';

const { reindexTurn } = proxyActivities({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { maximumAttempts: 2, initialInterval: '100ms', nonRetryableErrorTypes: ['TooLarge', 'AtTheEnd'] },
});

export async function ReindexConversations(payload) {
  const next = await reindexTurn(payload);
  if (next !== null) await continueAsNew({ ...payload, after: next });
}
