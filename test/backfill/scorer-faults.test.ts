import { expect, onTestFinished, test } from 'vitest';
import { fillCards } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';
import { ATTEMPTS, expectFaulted, JUDGED_BEFORE, SCORER_FAULTS, startFaulty } from './scorer-faults.ts';
import {
  addTemplate,
  backfilled,
  conversations,
  endedBackfill,
  NOT_DEV,
  requestFor,
  rowsOf,
  withScorers,
} from './support.ts';

// Over Temporal: test/temporal/backfill.test.ts.
test.each(Object.entries(SCORER_FAULTS))(
  'a scorer with %s: what is judged is written and counted, the rest is named; mended, it is judged too',
  async (_, fault) => {
    const t = await createTenant({ limits: { attempts: ATTEMPTS } });
    await fillCards(t);
    await addTemplate(t);
    const scorer = await startFaulty(fault);
    const refill = withScorers(t, { quality: scorer.config });
    onTestFinished(() => refill.close());
    const wanted = (await conversations(t, NOT_DEV)).length;
    const { events, result } = await backfilled(refill, requestFor(t));
    await expectFaulted(refill, result.backfill, fault, wanted);
    const notices = events.flatMap((event) => (event.type === 'notice' ? [event.message] : []));
    expect(notices.filter((text) => text.includes('tried again'))).toHaveLength(fault.asked - 1);
    expect((await rowsOf(t)).cards).toHaveLength(result.tally.judged);

    scorer.mend();
    const asked = scorer.calls();
    if (fault.state === 'failed') {
      // Of the chunk that failed, both batches.
      expect(asked).toBe(2 * fault.asked);
      const { result: ended } = await endedBackfill(refill.backfill(result.backfill));
      expect(ended).toMatchObject({ state: 'succeeded', tally: { judged: wanted, scorecardsCreated: wanted } });
      // What was judged is not asked for again.
      expect(scorer.calls() - asked).toBe(Math.ceil((wanted - JUDGED_BEFORE) / 5));
    } else {
      const { tally } = (await backfilled(refill, requestFor(t))).result;
      expect(tally).toMatchObject({ judged: wanted, scorecardsCreated: result.tally.unjudged });
    }
    expect((await rowsOf(t)).cards).toHaveLength(wanted);
  },
);
