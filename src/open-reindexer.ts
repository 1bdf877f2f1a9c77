import type { ReindexerConfig } from './config/config.ts';
import { readTemporalConnection } from './config/temporal-connection.ts';
import type { Reindexer } from './domain/reindexer.ts';
import { decoded } from './executors/temporal/beats.ts';
import { connectClient } from './executors/temporal/settings.ts';
import { openTemporalReindexer } from './reindexers/temporal.ts';

/** A re-indexer of the configuration. Its server is reached as Refill's own is, when it is first needed. */
export function openReindexer(config: ReindexerConfig): Reindexer {
  return openTemporalReindexer(config, async () => {
    const settings = await readTemporalConnection(config);
    return { client: await connectClient(settings), decode: (payloads) => decoded(payloads, settings.codecs) };
  });
}
