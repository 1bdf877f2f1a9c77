import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';
import type { ScorerRequest } from '../../src/domain/scorer.ts';

export type Answer = (batch: ScorerRequest, response: ServerResponse, request: IncomingMessage) => unknown;

/** A real scorer behind HTTP that answers as the test says: what `answer` returns is sent as JSON, with status 200. */
export async function startScorer(answer: Answer): Promise<{ readonly url: string; readonly calls: () => number }> {
  let calls = 0;
  const respond = async (...asked: Parameters<Answer>) => {
    const body = await answer(...asked);
    if (body !== undefined && !asked[1].headersSent) asked[1].end(JSON.stringify(body));
  };
  const server = createServer((request, response) => {
    calls += 1;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const batch: ScorerRequest = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      void respond(batch, response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { url: `http://127.0.0.1:${address.port}/judge`, calls: () => calls };
}

/** A right judgement of an item. */
export const judged = (id: string, value = 1) => ({
  id,
  score: value * 100,
  scores: [{ criterion: 'q9', value }],
});
