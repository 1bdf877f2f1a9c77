import { expect, test } from 'vitest';
import { withSnapshots } from '../../src/source/postgres.ts';
import { createTenant } from '../support/tenant.ts';

test('several connections see the very same instant, whatever is committed while they are opened', async () => {
  const t = await createTenant();
  const { host, port, user = '', password = '', database = '' } = t.pg;
  const address = { host, port, user, password: password ?? '', database, tls: 'disable' } as const;
  const ended = new AbortController();
  const writer = (async () => {
    // Each takes a transaction id of its own, so that any two snapshots of different instants can be told apart.
    while (!ended.signal.aborted) await t.pg.query('SELECT pg_current_xact_id()');
  })();
  try {
    const seen = await withSnapshots(address, 3, (snapshots) =>
      Promise.all(
        snapshots.map(async (snapshot) => {
          const [row] = await snapshot.query<{ instant: string }>('SELECT pg_current_snapshot()::text AS instant');
          return `${row?.instant} ${snapshot.time}`;
        }),
      ),
    );
    expect(seen).toHaveLength(3);
    expect(new Set(seen).size).toBe(1);
  } finally {
    ended.abort();
    await writer;
  }
});
