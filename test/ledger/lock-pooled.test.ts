import { setTimeout as sleep } from 'node:timers/promises';
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

      const [held] = await server.query<{ backend: number }>(
        database,
        'SELECT holder_backend AS backend FROM refill.run WHERE id = $1',
        [run],
      );
      await bouncer.change('transaction');
      const other = new Client({ host: '127.0.0.1', port: bouncer.port, user, database });
      await other.connect();
      onTestFinished(() => other.end());
      const lost = lock.lost.then((error) => ({ error }));
      // Another takes sessions until it has that of the lock, or the holder has met another one.
      for (let noticed = false; !noticed;) {
        await other.query('BEGIN');
        const { rows } = await other.query<{ backend: number }>('SELECT pg_backend_pid() AS backend');
        if (rows[0]?.backend === held?.backend) break;
        await other.query('COMMIT');
        noticed = (await Promise.race([lost, sleep(50)])) !== undefined;
      }
      const { error } = await lost;
      expect(error).toMatchObject({ code: 'LEDGER_UNREACHABLE', cause: { code: 'LEDGER_POOLED' } });
    },
  );
});
