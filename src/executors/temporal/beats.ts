import type { WorkflowExecutionDescription } from '@temporalio/client';
import type { Beat } from './attend.ts';

/** What a workflow's activities at work have told last. */
export function beatsOf(described: WorkflowExecutionDescription | null): readonly Beat[] {
  const pending = described?.raw.pendingActivities ?? [];
  return pending.flatMap(({ heartbeatDetails }) => {
    const data = heartbeatDetails?.payloads?.[0]?.data;
    const beat = data ? parse(Buffer.from(data).toString('utf8')) : null;
    return beat ? [beat] : [];
  });
}

/** A heartbeat that is encrypted, or of another version, tells nothing here. */
function parse(text: string): Beat | null {
  try {
    const value: unknown = JSON.parse(text);
    return isBeat(value) ? value : null;
  } catch {
    return null;
  }
}

function isBeat(value: unknown): value is Beat {
  return typeof value === 'object' && value !== null && 'v' in value && value.v === 1 && 'unit' in value;
}
