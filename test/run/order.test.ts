import { expect, test } from 'vitest';
import { createPool } from '../../src/domain/pool.ts';
import type { DeleteState, WindowState } from '../../src/domain/states.ts';
import type { Strategy } from '../../src/domain/words.ts';
import { type FlowOutcome, runFlow } from '../../src/flow/run.ts';
import type { FlowWindow, Steps, Work } from '../../src/flow/steps.ts';

const DAY = { from: '2026-01-05T00:00:00.000Z', to: '2026-01-06T00:00:00.000Z' };

interface Sketch {
  readonly strategy: Strategy;
  readonly windows?: readonly WindowState[];
  readonly state?: DeleteState;
  /** Steps that fail, as they are noted: `write 2`. */
  readonly fails?: readonly string[];
  /** False from this step on: the run is paused. */
  readonly pausedBy?: string;
  readonly more?: boolean;
}

/** Runs the flow of one delete with its windows. Notes when a step starts (`>`) and when it has ended. */
async function follow(sketch: Sketch): Promise<{ readonly steps: readonly string[]; readonly outcome: FlowOutcome }> {
  const { strategy, windows = ['pending', 'pending'], state = 'pending', fails = [] } = sketch;
  const steps: string[] = [];
  const step = async (name: string) => {
    steps.push(`> ${name}`);
    // Whatever runs beside it gets its turn.
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (fails.includes(name)) throw new Error(name);
    steps.push(name);
  };
  const work: Work = {
    strategy,
    windows: windows.map((of, index): FlowWindow => ({ id: index + 1, delete: 1, state: of, ...DAY })),
    deletes: [{ id: 1, state, ...DAY }],
    ...(sketch.more === undefined ? {} : { more: sketch.more }),
  };
  const fake: Steps = {
    begin: () => Promise.resolve(work),
    writeWindow: async (id) => {
      await step(`write ${id}`);
      return [];
    },
    rehearseWindow: async (id) => {
      await step(`rehearse ${id}`);
      return [];
    },
    submitDelete: () => step('submit'),
    awaitDelete: () => step('await'),
    proveWritten: () => step('prove written'),
    proveDelete: () => step('prove'),
    sweep: () => step('sweep'),
  };
  const outcome = await runFlow(fake, {
    windows: createPool(2),
    deletes: createPool(2),
    mayBegin: () => Promise.resolve(sketch.pausedBy === undefined || !steps.includes(sketch.pausedBy)),
    onFailure: () => Promise.resolve(),
  });
  return { steps, outcome };
}

/** `first` had ended before any of `later` started. */
function expectBefore(steps: readonly string[], first: string, ...later: readonly string[]): void {
  expect(steps).toContain(first);
  for (const one of later) {
    expect(steps).toContain(`> ${one}`);
    expect(steps.indexOf(first), `${first} before ${one}`).toBeLessThan(steps.indexOf(`> ${one}`));
  }
}

const PROVEN = { proven: 1, failed: 0, left: 0 };

test('purge: no window is written before the delete is assigned, none is proven before the delete is finished', async () => {
  const { steps, outcome } = await follow({ strategy: 'purge' });
  // Nothing is deleted before every window was rehearsed.
  for (const rehearsed of ['rehearse 1', 'rehearse 2']) expectBefore(steps, rehearsed, 'submit');
  expectBefore(steps, 'submit', 'write 1', 'write 2');
  for (const written of ['write 1', 'write 2', 'await']) expectBefore(steps, written, 'prove');
  expectBefore(steps, 'prove', 'sweep');
  expect(outcome).toEqual(PROVEN);
});

test('replace: nothing is deleted before every window is written and proven', async () => {
  const { steps, outcome } = await follow({ strategy: 'replace' });
  for (const written of ['write 1', 'write 2']) expectBefore(steps, written, 'prove written');
  expectBefore(steps, 'prove written', 'submit');
  expectBefore(steps, 'submit', 'await');
  expectBefore(steps, 'await', 'prove');
  expectBefore(steps, 'prove', 'sweep');
  expect(outcome).toEqual(PROVEN);
});

test.each([
  ['purge', 'rehearse 2', ['> submit', '> write 1', '> write 2', '> await', '> prove', '> sweep']],
  ['purge', 'submit', ['> write 1', '> write 2', '> await', '> prove', '> sweep']],
  ['purge', 'write 2', ['> await', '> prove', '> sweep']],
  ['purge', 'await', ['> prove', '> sweep']],
  ['purge', 'prove', ['> sweep']],
  ['replace', 'write 2', ['> prove written', '> submit', '> await', '> prove', '> sweep']],
  ['replace', 'prove written', ['> submit', '> await', '> prove', '> sweep']],
  ['replace', 'submit', ['> await', '> prove', '> sweep']],
  ['replace', 'await', ['> prove', '> sweep']],
  ['replace', 'prove', ['> sweep']],
] as const)('%s: if "%s" fails, the delete counts as failed and nothing follows', async (strategy, name, never) => {
  const { steps, outcome } = await follow({ strategy, fails: [name] });
  for (const one of never) expect(steps).not.toContain(one);
  expect(outcome).toEqual({ proven: 0, failed: 1, left: 0 });
});

test.each(['purge', 'replace'] as const)(
  '%s: a run that is paused while it writes proves nothing, deletes nothing more and does not sweep',
  async (strategy) => {
    const { steps, outcome } = await follow({
      strategy,
      pausedBy: 'write 1',
      windows: ['pending', 'pending', 'pending'],
    });
    for (const one of ['> prove written', '> await', '> prove', '> sweep']) expect(steps).not.toContain(one);
    expect(steps.includes('> submit')).toBe(strategy === 'purge');
    expect(outcome).toEqual({ proven: 0, failed: 0, left: 1 });
  },
);

test('replace: a pause after the proof of what was written deletes nothing', async () => {
  const { steps, outcome } = await follow({ strategy: 'replace', pausedBy: 'prove written' });
  expect(steps).not.toContain('> submit');
  expect(outcome).toEqual({ proven: 0, failed: 0, left: 1 });
});

test.each(['purge', 'replace'] as const)('%s: what is written already is not written again', async (strategy) => {
  const { steps } = await follow({ strategy, windows: ['written', 'pending'], state: 'assigned' });
  expect(steps).not.toContain('> write 1');
  expect(steps).toContain('write 2');
  expect(steps).not.toContain('> prove written');
});

test('a window that failed before fails its delete; a delete that is proven is not touched', async () => {
  const failed = await follow({ strategy: 'replace', windows: ['failed', 'pending'] });
  expect(failed.outcome).toEqual({ proven: 0, failed: 1, left: 0 });
  expect(failed.steps).not.toContain('> submit');
  const proven = await follow({ strategy: 'purge', state: 'proven', windows: ['done', 'done'] });
  expect(proven.steps).toEqual(['> sweep', 'sweep']);
});

test('a slice of a run, of which more comes, does not sweep', async () => {
  const { steps, outcome } = await follow({ strategy: 'purge', more: true });
  expect(outcome).toEqual(PROVEN);
  expect(steps).not.toContain('> sweep');
});
