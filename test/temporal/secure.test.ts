import { describe, expect, inject, test } from 'vitest';
import { ended, expectClean, fillCards, RANGE, thrown } from '../support/cards.ts';
import { codecFile } from './codec.ts';
import { noTemporal, ownTemporal, type TemporalTenant, temporalFleet, temporalTenant } from './given.ts';
import { guard, makeCertificates } from './way.ts';

const KEY = 'a-key-that-nobody-may-see';

/** Runs the tenant, with a worker, to a proven end. */
async function proven(t: TemporalTenant): Promise<void> {
  await fillCards(t);
  await t.worker();
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  expect((await ended(t.refill.run(plan.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t, RANGE);
}

describe.skipIf(noTemporal())('a Temporal server', () => {
  test('behind TLS that wants a certificate and a key: command line, worker and library bring them with every call', async () => {
    const certificates = await makeCertificates('DNS:temporal.internal');
    const way = await guard(inject('temporal')?.address ?? '', certificates, KEY);
    process.env['REFILL_TEST_TEMPORAL_KEY'] = KEY;
    const { certificate, key } = certificates.client;
    const files = { ca: `file:${certificates.ca}`, certificate: `file:${certificate}`, key: `file:${key}` };
    const tls = { ...files, serverName: 'temporal.internal' };
    const temporal = { address: way.address, apiKey: 'env:REFILL_TEST_TEMPORAL_KEY', tls };
    const t = await temporalTenant({ limits: { windowRows: 150 }, temporal });
    await proven(t);
    const methods = way.calls.map(({ method }) => method);
    for (const method of ['SignalWithStartWorkflowExecution', 'PollActivityTaskQueue', 'RecordActivityTaskHeartbeat'])
      expect(methods).toContain(method);
    expect(new Set(way.calls.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${KEY}`]));
    const doctor = await (await t.refillCli('doctor')).end;
    expect(doctor.stdout).toContain(way.address);
    expect(doctor.status).toBe(0);

    process.env['REFILL_TEST_TEMPORAL_KEY'] = 'another-key';
    const refused = await (await t.refillCli('doctor')).end;
    expect(refused.status).toBe(3);
    expect(refused.stdout).toContain('TEMPORAL_');
    for (const { stdout, stderr } of [doctor, refused]) {
      expect(stdout + stderr).not.toContain(KEY);
      expect(stdout + stderr).not.toContain('another-key');
    }
  });

  test('whose certificate nobody has signed whom we trust is not spoken to', async () => {
    const certificates = await makeCertificates();
    const way = await guard(inject('temporal')?.address ?? '', certificates, KEY);
    process.env['REFILL_TEST_TEMPORAL_KEY'] = KEY;
    // Without `tls`: a key is reason enough to encrypt.
    const t = await temporalTenant({ temporal: { address: way.address, apiKey: 'env:REFILL_TEST_TEMPORAL_KEY' } });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    expect(await thrown(() => ended(t.refill.run(plan.id)))).toMatchObject({ code: 'TEMPORAL_UNREACHABLE' });
    expect(way.calls).toEqual([]);
    // It was spoken to by TLS, and our side hung up: what is not encrypted is refused by theirs, with an error of TLS.
    expect(new Set(way.unmade)).toEqual(new Set(['ECONNRESET']));
  });

  test('by another name than its certificate has is not spoken to; by that name it is', async () => {
    const certificates = await makeCertificates('DNS:temporal.internal');
    const { address } = await guard(inject('temporal')?.address ?? '', certificates, KEY);
    process.env['REFILL_TEST_TEMPORAL_KEY'] = KEY;
    const { certificate, key } = certificates.client;
    const tls = { ca: `file:${certificates.ca}`, certificate: `file:${certificate}`, key: `file:${key}` };
    const doctor = async (more: { readonly serverName?: string }) => {
      const temporal = { address, apiKey: 'env:REFILL_TEST_TEMPORAL_KEY', tls: { ...tls, ...more } };
      const findings = await (await temporalTenant({ temporal })).refill.doctor();
      return findings.flatMap(({ subject, level }) => (subject === address ? [level] : []));
    };
    expect(await doctor({})).toContain('error');
    expect(await doctor({ serverName: 'elsewhere.internal' })).toContain('error');
    expect(await doctor({ serverName: 'temporal.internal' })).not.toContain('error');
  });

  test('with a codec: nothing of a run can be read there, and who follows it reads all of it', async () => {
    const t = await temporalTenant({ limits: { windowRows: 150, windows: 1 }, temporal: { codec: await codecFile() } });
    await fillCards(t);
    await t.worker({ REFILL_DEBUG_POINT: 'table-inserted:sleep=5000@2' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const { events, result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, RANGE);
    // Rows of a window that is at work come by its heartbeats. Of the first one: those of windows before it are in the ledger.
    const told = events.flatMap((e) =>
      e.type === 'progress' && e.windows.active > 0 && e.windows.written + e.windows.done === 0 ? [e.rowsWritten] : [],
    );
    expect(Math.max(...told)).toBeGreaterThan(0);
    const { run } = await t.refill.status();
    const history = await t.operator('workflow', 'show', '--workflow-id', run.workflow ?? '', '--output', 'json');
    expect(history).toContain(Buffer.from('binary/sealed').toString('base64'));
    const payloads = [...history.matchAll(/"data": "(.*?)"/gu)].map(([, data = '']) => atob(data)).join();
    // The second one is in the summaries of its steps.
    for (const word of ['sliceWindows', 'window 1:'])
      for (const text of [history, payloads]) expect(text).not.toContain(word);
  });

  test('of a cluster’s own: its runs are there, one worker serves both, and no fleet spans them', async () => {
    const own = await ownTemporal();
    const fleet = await temporalFleet({
      cards: [60, 60],
      west: 1,
      limits: { windowRows: 100 },
      config: (config) => {
        const clusters = Object.entries(config.clusters).map(([name, cluster]) => {
          const temporal = { address: own.address, namespace: own.namespace, taskQueue: 'own' };
          return [name, name === 'west' ? { ...cluster, temporal } : cluster] as const;
        });
        return { ...config, clusters: Object.fromEntries(clusters) };
      },
    });
    await fleet.worker();
    for (const [n, tenant] of fleet.tenants.entries()) {
      const plan = await fleet.refill.plan({ tenant: tenant.name, range: RANGE });
      expect((await ended(fleet.refill.run(plan.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
      await expectClean(tenant);
      const { run } = await fleet.refill.status();
      const described = fleet.operator('workflow', 'describe', '--workflow-id', run.workflow ?? '');
      // The second one is not on the server of all others.
      if (n === 0) expect(await described).toContain('COMPLETED');
      else expect(String(await thrown(() => described))).toContain('not found');
    }
    const findings = await fleet.refill.doctor();
    expect(findings.flatMap((f) => (f.check === 'workers' ? [[f.subject, f.level]] : []))).toEqual([
      [fleet.taskQueue, 'ok'],
      [`${fleet.taskQueue}-east`, 'ok'],
      ['own', 'ok'],
      ['own-west', 'ok'],
    ]);
    const plan = await fleet.refill.planFleet({ range: RANGE });
    expect(
      await thrown(async () => {
        for await (const _ of fleet.refill.runFleet(plan.id)) continue;
      }),
    ).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('west') });
  });
});
