import type { RefillConfig } from '../../src/config/config.ts';
import type { Calendar } from '../../src/domain/calendar-rules.ts';
import type { FleetEvent, FleetResult } from '../../src/domain/fleet-events.ts';
import type { HealthLimits } from '../../src/domain/indicators.ts';
import type { Limits } from '../../src/domain/limits.ts';
import type { Refill } from '../../src/refill.ts';
import { expect, onTestFinished } from 'vitest';
import { fillCards } from '../support/cards.ts';
import { openRefill } from '../support/executor.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

export interface TestFleet {
  readonly tenants: readonly TestTenant[];
  /** `customer/profile` of each. */
  readonly names: readonly string[];
  readonly config: RefillConfig;
  readonly refill: Refill;
}

export interface TestFleetOptions {
  /** Cards of each tenant: so many tenants there are. */
  readonly cards: readonly number[];
  /** The last so many are on a cluster `west`, the others on `east`. Default 0. */
  readonly west?: number;
  readonly limits?: Partial<Limits>;
  readonly health?: Partial<HealthLimits>;
  readonly calendar?: Calendar;
}

/** Tenants with databases of their own, on one or two clusters of the stack, with one ledger. */
export async function createFleet({ cards, west = 0, calendar, ...options }: TestFleetOptions): Promise<TestFleet> {
  const tenants: TestTenant[] = [];
  for (const [n, number] of cards.entries()) {
    const tenant = await createTenant({ customer: `fleet-${n}-${process.hrtime.bigint()}`, ...options });
    if (number > 0) await fillCards(tenant, { cards: number });
    tenants.push(tenant);
  }
  const [first] = tenants;
  const cluster = first?.config.clusters['test'];
  if (!first || !cluster) throw new Error('a fleet has a tenant');
  const list = (some: readonly TestTenant[]) => some.map((t) => ({ ...t.name, database: t.database }));
  const config: RefillConfig = {
    ...first.config,
    ...(calendar ? { calendar } : {}),
    clusters: {
      east: { ...cluster, tenants: list(tenants.slice(0, tenants.length - west)) },
      ...(west === 0
        ? {}
        : {
            // The same servers by another name.
            west: {
              ...cluster,
              postgres: { ...cluster.postgres, host: 'localhost' },
              tenants: list(tenants.slice(-west)),
            },
          }),
    },
  };
  const refill = openRefill(config);
  onTestFinished(() => refill.close());
  return { tenants, names: tenants.map((t) => `${t.name.customer}/${t.name.profile}`), config, refill };
}

export interface FleetEnded {
  readonly events: readonly FleetEvent[];
  readonly result: FleetResult;
}

/** Reads a fleet's events to the end: exactly one result, as the last. */
export async function fleetEnded(
  run: AsyncIterable<FleetEvent>,
  onEvent?: (event: FleetEvent) => unknown,
): Promise<FleetEnded> {
  const events: FleetEvent[] = [];
  for await (const event of run) {
    events.push(event);
    await onEvent?.(event);
  }
  expect(events.filter((event) => event.type === 'fleet-result')).toHaveLength(1);
  const last = events.at(-1);
  if (last?.type !== 'fleet-result') throw new Error('the last event is no result');
  return { events, result: last };
}
