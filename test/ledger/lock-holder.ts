// A program of its own that takes the lock on a run and keeps it until it is killed. Started by lock.test.ts.
import type { LedgerConfig } from '../../src/config/config.ts';
import type { Actor } from '../../src/ledger/ledger.ts';
import { openLedger } from '../../src/ledger/open.ts';

interface Order {
  readonly config: LedgerConfig;
  readonly password: string;
  readonly run: string;
  readonly actor: Actor;
}

const order: Order = JSON.parse(process.env['LOCK_ORDER'] ?? '{}');
const ledger = await openLedger(order.config, order.password);
await ledger.lockRun(order.run, { ...order.actor, pid: process.pid });
process.stdout.write('locked\n');
setInterval(() => {}, 60_000);
