import { defaultPayloadConverter, type PayloadConverter } from '@temporalio/common';
import { UNREADABLE } from '../shared/fields.ts';

/**
 * How workflows read what they are sent. What cannot be read is told to whoever checks it: an error thrown from here would
 * fail the workflow's task, which is tried again for ever, and not the workflow. Temporal's SDK looks for this name.
 */
export const payloadConverter: PayloadConverter = {
  toPayload: (...value) => defaultPayloadConverter.toPayload(...value),
  fromPayload: (payload) => {
    try {
      return defaultPayloadConverter.fromPayload(payload);
    } catch {
      return defaultPayloadConverter.fromPayload(defaultPayloadConverter.toPayload(UNREADABLE));
    }
  },
};
