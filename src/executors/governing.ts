import type { Pool } from '../domain/pool.ts';
import { createHealthLook } from '../steps/look-at-health.ts';
import { Governor } from './governor.ts';
import type { RunAtWork } from './local-run.ts';

/** The governor of a run, which tells the run why it is slowed or held. */
export function governorOf(work: RunAtWork): Governor {
  const { bench, plan, run, ledger, governed, events, tracker, atOnce, shared } = work;
  const look = createHealthLook(bench, governed.health);
  return new Governor({
    look: () => look.look(),
    ...governed,
    everySeconds: plan.limits.healthSeconds,
    setByHand: () => ledger.liveLimit(plan.tenant.cluster),
    largest: atOnce.largest,
    onLook: (health, most) => {
      atOnce.told(run.id, health, most);
      // What a person and the calendar allow is of the cluster, and so of all programs; what a run that is alone has learnt
      // of its servers is of its own windows.
      if (work.alone) shared.slots.on(plan.tenant.cluster).told(run.id, 'go', most);
    },
    secondsLeft: () => tracker.snapshot().secondsLeft,
    onLate: (message) => events.push({ type: 'notice', run: run.id, message }),
    onChange: (reason) => {
      if (tracker.governed(reason) && reason !== null) events.push({ type: 'notice', run: run.id, message: reason });
    },
  });
}

/**
 * Waits until the governor lets the run go on before it takes a place that other runs could use. Where the run is held
 * by the time that it has the place, it gives the place back and waits again.
 */
export function passing(governor: Governor, shared: Pool): Pool {
  return {
    run: async (task, entering) => {
      for (;;) {
        await governor.pass();
        const done = await shared.run(async () => (governor.holds ? null : { result: await task() }), entering);
        if (done) return done.result;
      }
    },
  };
}
