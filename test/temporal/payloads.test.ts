import { describe, expect, test } from 'vitest';
import { noTemporal, temporalTenant } from './given.ts';

describe.skipIf(noTemporal())('a payload', () => {
  test('that is not understood fails at once, and says what is wrong', async () => {
    const t = await temporalTenant();
    await t.worker();
    const cases = [
      ['an unknown version', '{"v":7,"run":"r-x"}', '`v`'],
      ['no run', '{"v":1}', '`run`'],
      ['a field of the wrong kind', '{"v":1,"run":5}', '`run`'],
      ['a list', '[]', 'expected a JSON object'],
      ['an unknown run', '{"v":1,"run":"r-nothing"}', 'r-nothing'],
    ] as const;
    for (const [index, [what, input, said]] of cases.entries()) {
      const id = `payload-${t.taskQueue}-${index}`;
      const at = ['--task-queue', `${t.taskQueue}-test`, '--workflow-id', id];
      await t.operator('workflow', 'start', '--type', 'refillTenant', ...at, '--input', input);
      const described = () => t.operator('workflow', 'describe', '--workflow-id', id);
      await expect.poll(described, { timeout: 60_000, message: what }).toMatch(/FAILED/u);
      expect(await described(), what).toContain(said);
    }
  });
});
