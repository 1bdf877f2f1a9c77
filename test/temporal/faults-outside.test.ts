import { describe, expect, inject, test, vi } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';
import { Proxy } from '../ledger/proxy.ts';
import { ended, RANGE, thrown } from '../support/cards.ts';
import { expectAsLocal, expectOnce, filled, keepApart } from './as-local.ts';
import { noTemporal, untilWindow } from './given.ts';

vi.setConfig({ testTimeout: 240_000 });

/** The same configuration, with ClickHouse or the ledger behind another port. */
const behind = {
  clickhouse: (config: RefillConfig, port: number): RefillConfig => {
    const clusters = Object.entries(config.clusters).map(([name, cluster]) => {
      const clickhouse = { ...cluster.clickhouse, urls: [`http://127.0.0.1:${port}`] };
      return [name, { ...cluster, clickhouse }] as const;
    });
    return { ...config, clusters: Object.fromEntries(clusters) };
  },
  ledger: (config: RefillConfig, port: number): RefillConfig => ({ ...config, ledger: { ...config.ledger, port } }),
};

describe.skipIf(noTemporal())('over Temporal', () => {
  test.each(['purge', 'replace'] as const)(
    '%s: the connection is lost after an insert was committed: its rows are there once',
    async (strategy) => {
      const way = await Proxy.to(Number(new URL(inject('stack').clickhouse.http).port));
      const t = await filled({ config: (config) => behind.clickhouse(config, way.port) });
      await t.worker();
      await keepApart(t);
      const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
      // Of a delete's second window, whose first one has two tables: rows of its first one would be older than all that
      // the run keeps, and go as old ones do.
      way.cutNext('query=INSERT', 'after', 2);
      expect((await ended(t.refill.run(plan.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
      expect(way.cuts).toBe(1);
      await expectOnce(t);
      await expectAsLocal(t, strategy);
      // The attempt that was cut, and the one that took its place.
      const { run, windows } = await t.refill.status();
      expect(await (await t.refill.ledger()).attempts(run.id)).toHaveLength(windows.length + 1);
    },
  );

  test.each(['purge', 'replace'] as const)(
    '%s: the ledger is away for a while: steps wait for it, and the run goes on by itself',
    async (strategy) => {
      const way = await Proxy.to(inject('stack').postgres.port);
      const t = await filled({ config: (config) => behind.ledger(config, way.port) });
      await t.worker();
      const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
      let workflow = '';
      const followed = thrown(() =>
        ended(t.refill.run(plan.id), async (event) => {
          if (event.type !== 'window' || workflow !== '') return;
          workflow = (await t.refill.status()).run.workflow ?? '';
          way.goAway();
        }),
      );
      // Who follows it is told, and can do so again when it is back.
      expect(await followed).toMatchObject({ code: 'LEDGER_UNREACHABLE', exit: 4 });
      const described = () => t.operator('workflow', 'describe', '--workflow-id', workflow, '--output', 'json');
      await expect.poll(described, { timeout: 60_000 }).toContain('LEDGER_UNREACHABLE');
      way.comeBack();
      // Nobody resumes it: that would begin a workflow that had given up once more.
      const run = async () => (await t.refill.status()).run;
      await expect.poll(async () => (await run()).state, { timeout: 120_000 }).toBe('succeeded');
      expect(await run()).toMatchObject({ differences: 0 });
      await expectAsLocal(t, strategy);
    },
  );

  test('a duplicate start from two terminals: one run, one workflow, and the second is told which', async () => {
    const t = await filled();
    await t.worker({ REFILL_DEBUG_POINT: 'table-inserted:sleep=3000' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const terminals = [0, 1].map(() => t.refillCli('run', plan.id, '--execute', '--json'));
    const ends = await Promise.all(terminals.map(async (program) => (await program).end));
    const [first, second] = ends.sort((a, b) => Number(a.status) - Number(b.status));
    expect([first?.status, second?.status]).toEqual([0, 3]);
    const { run } = await t.refill.status();
    expect(await t.refill.runs()).toHaveLength(1);
    expect(second?.stdout).toContain('RUN_OVERLAPS');
    expect(second?.stdout).toContain(run.id);
    const query = `WorkflowId = "${run.workflow}"`;
    const list = async (): Promise<unknown> =>
      JSON.parse(await t.operator('workflow', 'list', '--query', query, '--output', 'json'));
    await expect.poll(list, { timeout: 30_000 }).toHaveLength(1);
    await expectAsLocal(t, 'replace');
  });

  test('an operator terminates the workflow while nobody follows: status says so, and retry goes on', async () => {
    const t = await filled();
    const worker = await t.worker({ REFILL_DEBUG_POINT: 'table-inserted:sleep=60000@3' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    await thrown(() => ended(t.refill.run(plan.id, { drain: AbortSignal.abort() })));
    await untilWindow(t, 'written');
    const { run } = await t.refill.status();
    await t.operator('workflow', 'terminate', '--workflow-id', run.workflow ?? '', '--reason', 'a test');
    const status = await (await t.refillCli('status', run.id, '--json')).end;
    const said: unknown = JSON.parse(status.stdout);
    expect(said).toMatchObject({ run: run.id, state: 'failed', error: { code: 'WORKFLOW_ENDED' } });
    expect(status.stdout).toContain('`refill retry --execute` goes on');
    worker.child.kill('SIGKILL');
    await worker.end;
    await t.worker();
    expect((await ended(t.refill.retry(run.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectAsLocal(t, 'replace');
  });
});
