import { expect, onTestFinished, test } from 'vitest';
import { refill as command } from '../cli/built.ts';
import { startExample } from '../scorers/example.ts';
import { fillCards } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';
import { addTemplate, configFile, conversations, RANGE, rowsOf, TEMPLATE } from './support.ts';

const lines = (text: string): Record<string, unknown>[] =>
  text.split('\n').flatMap((line): Record<string, unknown>[] => (line.startsWith('{') ? [JSON.parse(line)] : []));

test.each([
  'chunk-judged:kill@2',
  'chunk-kept:kill@2',
  'chunk-committed:kill@2',
  'chunk-closed:kill@2',
  'run-created:kill',
  'window-written:kill',
])('killed -9 at %s, the same command goes on, and everything counts once', async (point) => {
  const t = await createTenant();
  await fillCards(t);
  await addTemplate(t);
  const wanted = (await conversations(t, `agent_user_id <> 'agent-3'`)).length;
  process.env['REFILL_TEST_SCORER_KEY'] = 'secret';
  onTestFinished(() => void delete process.env['REFILL_TEST_SCORER_KEY']);
  const config = await configFile(t, await startExample({ SCORER_KEY: 'secret' }), 'env:REFILL_TEST_SCORER_KEY');
  const range = ['--from', RANGE.from, '--to', RANGE.to];
  const asked = ['backfill', `${t.name.customer}/${t.name.profile}`, ...range, '--template', TEMPLATE];
  const planned = await command([...asked, '--scorer', 'quality', '--json', '--config', config]);
  expect(planned.status).toBe(3);
  expect((await rowsOf(t)).cards).toEqual([]);
  const id = String(lines(planned.stdout)[0]?.['id']);
  const execute = ['backfill', id, '--execute', '--json', '--config', config];

  const killed = await command(execute, { env: { REFILL_DEBUG_POINT: point } });
  expect(killed.signal).toBe('SIGKILL');
  const { stdout, status } = await command(execute);
  expect(lines(stdout).at(-1)).toMatchObject({
    type: 'backfill-result',
    state: 'succeeded',
    after: { scorecards: wanted, scores: 2 * wanted },
    tally: { judged: wanted, scorecardsCreated: wanted, scorecardsUnchanged: 0, scoresCreated: 2 * wanted },
  });
  expect(status).toBe(0);
  expect((await rowsOf(t)).cards).toHaveLength(wanted);
});
