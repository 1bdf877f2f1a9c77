import type { WorkflowExecutionDescription } from '@temporalio/client';
import type { Payload, PayloadCodec } from '@temporalio/common';
import type { Beat } from './attend.ts';

const REHEARSAL = 'rehearsal of window ';

/** What a rehearsal is called in a heartbeat. */
export const rehearsalOf = (window: number): string => `${REHEARSAL}${window}`;

/** The windows that are rehearsed by what heartbeats tell. */
export const rehearsalsIn = (beats: readonly Pick<Beat, 'unit'>[]): readonly number[] =>
  beats.flatMap(({ unit }) => (unit.startsWith(REHEARSAL) ? [Number(unit.slice(REHEARSAL.length))] : []));

/** What a workflow's activities at work have told last; with codecs it comes encoded. */
export async function beatsOf(
  described: WorkflowExecutionDescription | null,
  codecs: readonly PayloadCodec[],
): Promise<readonly Beat[]> {
  const pending = described?.raw.pendingActivities ?? [];
  const told = pending.map(async ({ heartbeatDetails }) => {
    const [payload] = await decoded(heartbeatDetails?.payloads ?? [], codecs);
    const beat = payload?.data ? parse(Buffer.from(payload.data).toString('utf8')) : null;
    return beat ? [beat] : [];
  });
  return (await Promise.all(told)).flat();
}

/** As the SDK does it: the codec that was applied last is undone first. One that cannot decode it tells nothing. */
export async function decoded(payloads: Payload[], codecs: readonly PayloadCodec[]): Promise<readonly Payload[]> {
  try {
    let plain = payloads;
    for (const codec of codecs.toReversed()) plain = await codec.decode(plain);
    return plain;
  } catch {
    return [];
  }
}

/** A heartbeat of another version tells nothing here. */
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
