/**
 * A scorer for `refill backfill`, to begin from: plain Node, no packages.
 *
 *   PORT=8090 SCORER_KEY=secret node server.mjs
 *
 * It judges by the conversation's length, where a real one would fetch the transcript and ask a model. The contract is
 * scorer.openapi.json; docs/scorers.md explains it.
 */
import { createServer } from 'node:http';

const key = process.env.SCORER_KEY;
/** More than any batch of ours has. */
const MOST_BYTES = 8_000_000;

/** Judges one conversation or process scorecard: replace this. The same item must get the same judgement. */
function judge(item, template) {
  if (item.metadata.consent === false) return { id: item.id, error: 'NO_CONSENT' };
  const minutes = item.endedAt === null ? 0 : (Date.parse(item.endedAt) - Date.parse(item.startedAt)) / 60_000;
  const value = minutes >= 5 ? 1 : 0;
  const scores = template.criteria.map((criterion) => ({ criterion, value, text: value === 1 ? 'long' : 'short' }));
  return { id: item.id, score: value * 100, scores };
}

async function readJson(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error('too large');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

async function answer(request) {
  if (request.method !== 'POST') return [405, { error: 'POST a batch' }];
  if (key !== undefined && request.headers.authorization !== `Bearer ${key}`) return [401, { error: 'wrong key' }];
  const batch = await readJson(request).catch(() => undefined);
  if (batch?.version !== 1) return [400, { error: 'not a batch of version 1' }];
  return [200, { results: batch.items.map((item) => judge(item, batch.template)) }];
}

async function respond(request, response) {
  const [status, body] = await answer(request);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

const server = createServer((request, response) => void respond(request, response));
server.listen(Number(process.env.PORT ?? 8090), '127.0.0.1', () => {
  console.log(`scorer listens on http://127.0.0.1:${server.address().port}/`);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.close());
