import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { ClusterConfig, RefillConfig, TenantConfig } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { DELETE_CHOICES } from '../../src/domain/delete-kind.ts';
import { DEFAULT_HEALTH_LIMITS } from '../../src/domain/indicators.ts';
import { DEFAULT_LIMITS } from '../../src/domain/limits.ts';
import { BUILTINS, SCORECARDS } from './fixture.ts';

/**
 * A random configuration as it should be after loading is written with or without the keys that are at their defaults,
 * and must come back as it was. What should come back is made here and not by the code that is tested.
 */

let cwd = '';
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'refill-roundtrip-'));
});
afterAll(async () => rm(cwd, { recursive: true, force: true }));

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,20}$/u);
/** Texts that YAML could take for something else are among them. */
const words = fc.oneof(
  name,
  fc.constantFrom('null', 'true', 'no', '0123', '1e3', '~', '*a', '!b', 'a: b', '# c', "it's", '日本', ' a '),
  fc.string({ minLength: 1, maxLength: 20 }).filter((text) => /^[^\p{Cc}\p{Cs}]+$/u.test(text)),
);
const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.constantFrom('localhost', '/var/run/postgresql'));
const port = fc.integer({ min: 1, max: 65_535 });
const reference = fc.oneof(
  fc.stringMatching(/^env:[A-Za-z_][A-Za-z0-9_]{0,20}$/u),
  fc.stringMatching(/^file:\/[a-z0-9_-]{1,20}$/u),
);
const server = {
  host,
  port: fc.oneof(port, fc.constant(5432)),
  user: words,
  tls: fc.constantFrom('disable' as const, 'require' as const, 'verify-full' as const),
};
const withPassword = { ...server, password: reference };
const postgres = fc.oneof(fc.record(server), fc.record(withPassword));
const ledger = fc.oneof(fc.record({ ...server, database: words }), fc.record({ ...withPassword, database: words }));

const url = fc
  .tuple(fc.constantFrom('http', 'https'), fc.domain(), port)
  .map(([scheme, to, at]) => `${scheme}://${to}:${at}`);
const clickhouse = fc.record(
  {
    urls: fc.uniqueArray(url, { minLength: 1, maxLength: 3, selector: (address) => new URL(address).origin }),
    user: words,
    password: reference,
    cluster: words,
    compress: fc.constantFrom('auto' as const, 'always' as const, 'never' as const),
    deletes: fc.constantFrom(...DELETE_CHOICES),
  },
  { requiredKeys: ['urls', 'user', 'compress'] },
);

const part = words.filter((text) => !text.includes('/'));
const tenant: fc.Arbitrary<TenantConfig> = fc.oneof(
  fc.record({ customer: part, profile: part, database: words }, { requiredKeys: ['customer', 'profile'] }),
  fc.record({ customer: part, profile: part, sourceDatabase: words, targetDatabase: words }),
);
const tenants = fc.oneof(
  fc.constant('discover' as const),
  fc.uniqueArray(tenant, {
    minLength: 1,
    maxLength: 4,
    selector: ({ customer, profile }) => `${customer}/${profile}`,
  }),
);
const clusters: fc.Arbitrary<Record<string, ClusterConfig>> = fc
  .uniqueArray(fc.record({ name, postgres, clickhouse, tenants }), {
    minLength: 1,
    maxLength: 4,
    selector: (c) => c.name,
  })
  // Two of the same servers are refused; addresses are random enough that the host's place in the list tells them apart.
  .map((list) =>
    Object.fromEntries(
      list.map(({ name, postgres, clickhouse, tenants }, index) => [
        name,
        { postgres: { ...postgres, host: `${index}.${postgres.host.replaceAll(/[/:]/gu, '-')}` }, clickhouse, tenants },
      ]),
    ),
  );

const whole = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const fraction = (max: number): fc.Arbitrary<number> => fc.double({ min: 1, max, noNaN: true });
const limits = fc
  .record(
    {
      windows: whole(64),
      windowRows: whole(1_000_000_000_000),
      windowSeconds: fraction(86_400),
      deleteRows: whole(1_000_000_000_000),
      deleteBytes: whole(1024 ** 5),
      attempts: whole(100),
      countDrift: fc.double({ min: 0, max: 1, noNaN: true }).map(Math.abs),
      looks: whole(100),
      graceSeconds: fraction(3600),
    },
    { requiredKeys: [] },
  )
  .map((some) => ({ ...DEFAULT_LIMITS, ...some }));

const config: fc.Arbitrary<RefillConfig> = fc.record({
  ledger,
  clusters,
  datasets: fc.constant([SCORECARDS]),
  limits,
  health: fc
    .record({ unknownLooks: fc.integer({ min: 1, max: 1000 }) }, { requiredKeys: [] })
    .map((some) => ({ ...DEFAULT_HEALTH_LIMITS, ...some })),
});

const DEFAULTS: Readonly<Record<string, unknown>> = {
  port: 5432,
  tls: 'disable',
  compress: 'auto',
  ...DEFAULT_LIMITS,
  // A key of limits, too: that one is always written.
  tenants: 'discover',
};

/** A configuration as somebody writes it: what is at its default may be left out. */
function written(value: unknown, leaveOut: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => written(item, leaveOut));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key, item]) => !leaveOut || item !== DEFAULTS[key]);
  return Object.fromEntries(entries.map(([key, item]) => [key, written(item, leaveOut)]));
}

test.each([
  ['yaml', (value: unknown) => stringify(value)],
  ['yml', (value: unknown) => JSON.stringify(value)],
  ['mjs', (value: unknown) => `export default ${JSON.stringify(value)};`],
])('a random configuration comes back as it was: .%s', { timeout: 60_000 }, async (extension, text) => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(config, fc.boolean(), async (value, leaveOut) => {
      count += 1;
      // A module is loaded once a process, so each has a name of its own.
      const file = join(cwd, `${count}.${extension}`);
      await writeFile(file, text(written({ ...value, datasets: ['scorecards'] }, leaveOut)));
      const loaded = await loadConfig({ file, cwd, builtins: BUILTINS });
      expect(loaded.config).toEqual(value);
    }),
    { numRuns: 60 },
  );
});
