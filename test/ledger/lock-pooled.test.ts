import { Client } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Bouncer, WITHOUT_BOUNCER } from '../support/bouncer.ts';
import { usePostgres } from './postgres.ts';
import { ACTOR, newRun, OTHER } from './samples.ts';

const server = usePostgres();

describe.skipIf(WITHOUT_BOUNCER)(`a lock behind PgBouncer${WITHOUT_BOUNCER ? `: ${WITHOUT_BOUNCER}` : ''}`, () => {
  test('in session mode it is one program’s, and free when it is given back', async () => {
    const database = await server.database();
    const { port, user } = server.config(database);
    const bouncer = await Bouncer.start('session', { port, user, password: server.password });
    const ledger = await server.open(database, { port: bouncer.port });
    const { id: run } = await newRun(ledger);
    const other = await server.open(database, { port: bouncer.port });
    for (let round = 0; round < 5; round += 1) {
      const lock = await ledger.lockRun(run, ACTOR);
      await expect(other.lockRun(run, OTHER)).rejects.toMatchObject({ code: 'RUN_BUSY' });
      await lock.release();
    }
    await ledger.close();
    await other.close();
  });

  test(
    'where the pooler begins to share sessions, the holder notices that its session has no lock',
    { timeout: 60_000 },
    async () => {
      const database = await server.database();
      const { port, user } = server.config(database);
      const bouncer = await Bouncer.start('session', { port, user, password: server.password });
      const ledger = await server.open(database, { port: bouncer.port });
      const { id: run } = await newRun(ledger);
      const lock = await ledger.lockRun(run, ACTOR);
      let lost: Error | undefined;
      void lock.lost.then((error) => (lost = error));
      const [held] = await server.query<{ backend: number }>(
        database,
        'SELECT holder_backend AS backend FROM refill.run WHERE id = $1',
        [run],
      );
      await bouncer.change('transaction');
      // Others take sessions until one of them has that of the lock.
      const others: Client[] = [];
      onTestFinished(async () => {
        for (const client of others) await client.end();
      });
      for (let taken = false; !taken && lost === undefined;) {
        const client = new Client({ host: '127.0.0.1', port: bouncer.port, user, database });
        others.push(client);
        await client.connect();
        await client.query('BEGIN');
        const { rows } = await client.query<{ backend: number }>('SELECT pg_backend_pid() AS backend');
        taken = rows[0]?.backend === held?.backend;
        if (!taken) await client.query('COMMIT');
      }
      await expect.poll(() => lost, { timeout: 20_000 }).toMatchObject({ code: 'LEDGER_UNREACHABLE' });
      expect(lost?.cause).toMatchObject({ code: 'LEDGER_POOLED' });
    },
  );
});
