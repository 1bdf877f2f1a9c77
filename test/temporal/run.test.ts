import { describe, expect, test } from 'vitest';
import { formatRange } from '../../src/domain/words.ts';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { noTemporal, temporalTenant } from './given.ts';

/** A payload as the `temporal` command line prints it. */
interface Printed {
  readonly data: string;
}

/** What is read here of a history. */
interface History {
  readonly events: readonly {
    readonly userMetadata?: { readonly summary?: Printed };
    readonly activityTaskScheduledEventAttributes?: { readonly activityType: { readonly name: string } };
  }[];
}

const text = ({ data }: Printed): unknown => JSON.parse(Buffer.from(data, 'base64').toString());

/** Summaries of a history's activities, by their types. */
function summariesOf(shown: string): ReadonlyMap<string, readonly unknown[]> {
  const { events }: History = JSON.parse(shown);
  const found = new Map<string, unknown[]>();
  for (const { activityTaskScheduledEventAttributes: scheduled, userMetadata } of events) {
    if (!scheduled) continue;
    const { name } = scheduled.activityType;
    found.set(name, [...(found.get(name) ?? []), userMetadata?.summary && text(userMetadata.summary)]);
  }
  return found;
}

describe.skipIf(noTemporal())('a run over Temporal', () => {
  test.each(['purge', 'replace'] as const)(
    '%s: what the old code wrote becomes what the source says',
    async (strategy) => {
      const t = await temporalTenant({ limits: { windowRows: 150 } });
      await fillCards(t);
      await t.worker();
      const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
      const { result, events } = await ended(t.refill.run(plan.id));
      expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
      expect(events.filter((e) => e.type === 'window' && e.state === 'written')).toHaveLength(plan.windows.length);
      expect(events.filter((e) => e.type === 'delete').map((e) => e.state)).toEqual(
        expect.arrayContaining(['submitted', 'assigned', 'finished', 'proven']),
      );
      expect((await t.refill.status()).run).toMatchObject({
        executor: 'temporal',
        workflow: `refill-${result.run}`,
        state: 'succeeded',
      });
      await expectClean(t, RANGE);
      // The sweep at its end is an activity of its own.
      const audit = await (await t.refill.ledger()).auditEntries({ subject: result.run, limit: 100 });
      expect(audit.filter(({ action }) => action === 'run.sweep')).toMatchObject([{ details: { deleted: 0 } }]);
    },
  );

  test('Temporal shows of each step which unit it is about, and of the workflow which run', async () => {
    const t = await temporalTenant({ limits: { windowRows: 150 } });
    await fillCards(t);
    await t.worker();
    const { id, windows } = await t.refill.plan({ tenant: t.name, range: RANGE });
    const { run } = (await ended(t.refill.run(id))).result;
    const at = ['--workflow-id', `refill-${run}`, '--output', 'json'];
    const summaries = summariesOf(await t.operator('workflow', 'show', ...at));
    expect(new Set(summaries.get('refillWriteWindow'))).toEqual(
      new Set(windows.map((w) => `window ${w.id}: ${formatRange(w)}`)),
    );
    expect(summaries.get('refillProveDelete')).toContain('delete 1: 2026-01-29 to 2026-02-01');
    const described = await t.operator('workflow', 'describe', ...at);
    expect(described).toContain(`"${t.name.customer}/${t.name.profile}: replace of 2026-01-29 to 2026-02-04"`);
    expect(described).toContain(`"run ${run}, plan ${id}, dataset scorecards, cluster test"`);
  });

  test('a worker that finds another table than the plan was made for does nothing', async () => {
    const t = await temporalTenant();
    await fillCards(t);
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const running = ended(t.refill.run(plan.id));
    await expect.poll(() => t.refill.runs()).toHaveLength(1);
    await t.command('CREATE TABLE another AS score');
    await t.command('EXCHANGE TABLES another AND score');
    await t.worker();
    const { result } = await running;
    expect(result).toMatchObject({ state: 'failed', error: { code: 'PLAN_FOREIGN' } });
    const ledger = await t.refill.ledger();
    expect([await ledger.mutations(result.run), await ledger.attempts(result.run)]).toEqual([[], []]);
  });

  test('without a worker the follower says what is missing; Ctrl-C ends the following, and says no more than that', async () => {
    const t = await temporalTenant();
    await fillCards(t);
    const tenant = `${t.name.customer}/${t.name.profile}`;
    const { child, end } = await t.refillCli('run', tenant, '--from', '2026-01-29', '--to', '2026-02-04', '--execute');
    const said = new Promise<void>((resolve) => {
      child.stderr?.on('data', (text: string) => {
        if (text.includes('waiting for a worker')) resolve();
      });
    });
    await Promise.race([said, end]);
    child.kill('SIGINT');
    const { status, stderr } = await end;
    expect(status).toBe(130);
    expect(stderr).toContain(`none takes work from ${t.taskQueue}-test, \`refill worker\` starts one`);
    expect(stderr).toContain('Stopping: it is not followed any more, and goes on.');
    expect(stderr).not.toContain('no new window');
    expect((await t.refill.status()).run).toMatchObject({ state: 'running', wanted: 'run' });
  });

  test('by the command line: the result is the last event', async () => {
    const t = await temporalTenant({ limits: { windowRows: 150 } });
    await fillCards(t);
    await t.worker();
    const tenant = `${t.name.customer}/${t.name.profile}`;
    const range = ['--from', '2026-01-29', '--to', '2026-02-04'];
    const run = await t.refillCli('run', tenant, ...range, '--execute', '--json');
    const { status, stdout, stderr } = await run.end;
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(lines[0]).toMatchObject({ type: 'started' });
    expect(lines.at(-1)).toMatchObject({ type: 'result', state: 'succeeded', differences: 0 });
    await expectClean(t, RANGE);
  });
});
