import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { defineScorer } from '../../src/config/scorer.ts';
import type { ScorerConfig } from '../../src/config/config.ts';
import type { ScorerRequest } from '../../src/domain/scorer.ts';
import { requestSchema } from '../../src/scorers/contract.ts';
import { openScorer } from '../../src/scorers/open.ts';
import { scorerOpenApiText } from '../../src/scorers/openapi.ts';
import { thrown } from '../support/cards.ts';
import { startExample } from './example.ts';
import { judged, startScorer, type Answer } from './server.ts';

const item = (id: string, minutes = 10) => ({
  id,
  agentUserId: 'agent-1',
  startedAt: '2026-01-05T06:00:00.000Z',
  endedAt: new Date(Date.parse('2026-01-05T06:00:00.000Z') + minutes * 60_000).toISOString(),
  language: 'en',
  metadata: {},
});

const REQUEST: ScorerRequest = {
  version: 1,
  customer: 'acme',
  profile: 'main',
  kind: 'conversations',
  template: { id: 't', revision: 'r1', title: 'T', criteria: ['c1.q1', 'q9'], structure: { items: [] } },
  items: [item('a'), item('b', 1)],
};

const judge = (config: ScorerConfig, signal = new AbortController().signal) =>
  openScorer('quality', config, () => Promise.resolve('secret')).judge(REQUEST, signal);

/** What a scorer's answer leads to. */
async function judgedBy(answer: Answer, more: Partial<{ timeoutSeconds: number; answerMegabytes: number }> = {}) {
  const { url } = await startScorer(answer);
  return judge({ url, ...more });
}

const errorBy = (...args: Parameters<typeof judgedBy>) => thrown(() => judgedBy(...args));

test('the request is what the contract says, and the committed OpenAPI file is made of the contract', async () => {
  expect(requestSchema.parse(REQUEST)).toEqual(REQUEST);
  expect(await readFile('scorer.openapi.json', 'utf8')).toBe(scorerOpenApiText());
});

test('the example scorer judges over HTTP, with the key', async () => {
  const url = await startExample({ SCORER_KEY: 'secret' });
  const { judgements, unjudged } = await judge({ url, key: 'env:ANY' });
  expect(unjudged).toEqual([]);
  expect(judgements.map(({ id, score, scores }) => [id, score, scores.length])).toEqual([
    ['a', 100, 2],
    ['b', 0, 2],
  ]);
  const refused = await thrown(() => judge({ url }));
  expect(refused).toMatchObject({ code: 'SCORER_REFUSED', message: 'scorer quality answers with status 401' });
});

test('a function in this process is checked as one behind HTTP', async () => {
  const right = defineScorer({ score: ({ items }) => ({ results: items.map(({ id }) => judged(id)) }) });
  expect((await judge(right)).judgements).toHaveLength(2);
  const wrong = defineScorer({ score: ({ items }) => ({ results: items.map(({ id }) => ({ id, scores: [{}] })) }) });
  expect(await thrown(() => judge(wrong))).toMatchObject({
    code: 'SCORER_SHAPE',
    message: 'scorer quality: scores[0].criterion is missing or wrong, of "a"',
  });
  const throws = defineScorer({
    score: () => {
      throw new TypeError('what somebody said');
    },
  });
  const error = await thrown(() => judge(throws));
  expect(error).toMatchObject({ code: 'SCORER_FAILED', action: 'retry' });
  expect(JSON.stringify(error)).not.toContain('somebody');
});

test.each([500, 502, 503, 429])('status %i is worth another try', async (status) => {
  const error = await errorBy((_, response) => void response.writeHead(status).end('what somebody said'));
  expect(error).toMatchObject({ code: 'SCORER_FAILED', action: 'retry', details: { status } });
  expect(JSON.stringify(error)).not.toContain('somebody');
});

test.each([400, 403, 404, 302])('status %i is not', async (status) => {
  const error = await errorBy((_, response) => void response.writeHead(status, { location: '/' }).end());
  expect(error).toMatchObject({ code: 'SCORER_REFUSED', details: { status } });
});

test('a scorer that is slow is given up, at its head and in its body, and may be asked again', async () => {
  const slow = { code: 'SCORER_TIMEOUT', action: 'retry', message: expect.stringContaining('0.2 s') };
  expect(await errorBy(() => undefined, { timeoutSeconds: 0.2 })).toMatchObject(slow);
  const drip: Answer = (_, response) => void response.writeHead(200).write('{"results":');
  expect(await errorBy(drip, { timeoutSeconds: 0.2 })).toMatchObject(slow);
  const deaf = defineScorer({ score: () => new Promise(() => undefined), timeoutSeconds: 0.2 });
  expect(await thrown(() => judge(deaf))).toMatchObject(slow);
});

test('nobody listens, or the connection breaks: an outage, which is waited for', async () => {
  const { url } = await startScorer((_, response) => void response.destroy());
  expect(await thrown(() => judge({ url }))).toMatchObject({ code: 'SCORER_UNREACHABLE', action: 'retry' });
  expect(await thrown(() => judge({ url: 'http://127.0.0.1:9/' }))).toMatchObject({ code: 'SCORER_UNREACHABLE' });
});

test('the end of the program ends a request, with its own reason', async () => {
  const { url } = await startScorer(() => undefined);
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error('the end')), 50);
  expect(await thrown(() => judge({ url }, stop.signal))).toMatchObject({ message: 'the end' });
});

test('what is left out, declined or wrongly shaped is named; the rest is used', async () => {
  const partial = await judgedBy(() => ({ results: [judged('a')] }));
  expect(partial.judgements.map(({ id }) => id)).toEqual(['a']);
  expect(partial.unjudged).toEqual([{ id: 'b', code: 'SCORER_PARTIAL', message: 'the answer does not have it' }]);
  const declined = await judgedBy(() => ({ results: [judged('b'), { id: 'a', error: 'NO_CONSENT' }] }));
  expect(declined.unjudged).toEqual([
    { id: 'a', code: 'SCORER_DECLINED', message: 'the scorer declined it: NO_CONSENT' },
  ]);
  const wrong = await judgedBy(() => ({ results: [judged('b'), { id: 'a', score: 'high', scores: [] }] }));
  expect(wrong.unjudged).toEqual([{ id: 'a', code: 'SCORER_SHAPE', message: 'score is missing or wrong' }]);
});

test.each([
  ['no JSON', 'what somebody said', 'the answer is not JSON'],
  ['no results', '{}', 'results is missing or wrong'],
  ['another item', '{"results":[{"id":"x","scores":[]}]}', 'results[0].id was not asked for'],
  [
    'an item twice',
    '{"results":[{"id":"a","scores":[]},{"id":"a","scores":[]}]}',
    'results[1].id stands twice, of "a"',
  ],
  ['no id', '{"results":[{"scores":[]}]}', 'results[0].id is missing or wrong'],
  [
    'all wrong',
    '{"results":[{"id":"a","scores":[{"criterion":"c1","value":1}]}]}',
    'scores[0].criterion is no leaf criterion of the template revision, of "a"',
  ],
])('%s: the field is named, and nothing is quoted', async (_, body, message) => {
  const error = await errorBy((_batch, response) => void response.end(body));
  expect(error).toMatchObject({ code: 'SCORER_SHAPE', message: `scorer quality: ${message}` });
});

test('an answer has a size', async () => {
  const error = await errorBy((_, response) => void response.end('x'.repeat(1_100_000)), { answerMegabytes: 1 });
  expect(error).toMatchObject({ code: 'SCORER_SHAPE', message: expect.stringContaining('longer than 1000000 bytes') });
});
