import { expect, test } from 'vitest';
import { columnCodec } from '../../src/dataset/codec.ts';
import { targetHash } from '../../src/dataset/compile.ts';
import type { ColumnDefinition, DatasetDefinition, TableDefinition } from '../../src/dataset/definition.ts';
import { bool, date, decimal, float, int, text, timestamp, uuid } from '../../src/dataset/definition.ts';
import { identifier } from '../../src/dataset/sql.ts';
import { asRefillError } from '../../src/domain/errors.ts';
import { HOUR_MS, instant } from '../../src/domain/windows.ts';
import type { Range } from '../../src/domain/words.ts';
import { withSnapshot } from '../../src/source/postgres.ts';
import { sourceSums, writeWindow } from '../../src/steps/reindex.ts';
import { benchTable, type Workbench } from '../../src/steps/workbench.ts';
import { targetSums } from '../../src/target/count.ts';
import { openBench } from '../support/bench.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

/**
 * Every kind of column in every target type that holds it, with values that get lost, rounded or misread elsewhere. What
 * is expected is written down here by hand: neither side's own decoder says it.
 */

/** What Postgres is given, as text, and what must stand in the target, printed by `printed`. NULL is null. */
type Case = readonly [source: string | null, stored: string | null];

interface Subject {
  readonly name: string;
  readonly kind: keyof typeof KINDS;
  readonly ifNull?: string | number | null;
  /** The source column's type. */
  readonly pg: string;
  /** The target column's type. */
  readonly ch: string;
  readonly good: readonly Case[];
  /** What cannot be held, and which side says so. */
  readonly bad?: readonly string[];
}

const LONG = 'a\tb\\c\nd\u{1F600}'.repeat(95_000);
const same = (values: readonly string[]): Case[] => values.map((v) => [v, v]);

const TEXTS = [
  '',
  ' ',
  'a\tb',
  'a\nb',
  'a\r\nb',
  '\r',
  'back\\slash',
  '\\',
  '\\N',
  '\\t',
  '\\.',
  '\\0',
  '\\x41',
  'N',
  'NULL',
  `it's "q" \`b\``,
  '\u{1F600} \u{1F469}\u{200D}\u{1F467}',
  'e\u0301 \u00e9',
  '\u0001\u0008\u000b\u000c\u007f',
  '\u2028\ufeff',
  'n|1:a|',
  '{"a": "b\\n"}',
  LONG,
];

const whole = (
  name: string,
  ch: string,
  low: string,
  high: string,
  bad: readonly string[],
  pg = 'bigint',
): Subject => ({
  name,
  kind: 'int',
  pg,
  ch,
  good: [...same([low, high, '0', '1']), [null, '0']],
  bad,
});

const FLOATS: readonly number[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -0,
  0,
  5e-324,
  1e-320,
  2.2250738585072014e-308,
  0.1,
  0.30000000000000004,
  1 / 3,
  1e21,
  1e22,
  9_007_199_254_740_991,
  123_456_789.123_456_79,
  -Number.MAX_VALUE,
  5.0e-5,
  8.41e21,
  9.5e-312,
];

/** Bits as ClickHouse's `hex` prints a float: the bytes as they lie in memory. */
function bits(value: number, size: 4 | 8): string {
  const buffer = Buffer.alloc(size);
  if (size === 8) buffer.writeDoubleLE(value);
  else buffer.writeFloatLE(value);
  return buffer.toString('hex').toUpperCase();
}
const floatText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));
/** -0 becomes 0: they are equal, and only one of them can be told from the other. */
const floats = (size: 4 | 8, values: readonly number[]): Case[] => values.map((v) => [floatText(v), bits(v + 0, size)]);

const TIMES_MS: readonly Case[] = [
  ['1970-01-01 00:00:00Z', '1970-01-01 00:00:00.000'],
  ['1970-01-01 00:00:00.000999Z', '1970-01-01 00:00:00.000'],
  ['1969-12-31 23:59:59.999999Z', '1969-12-31 23:59:59.999'],
  ['1969-12-31 23:59:59.9995Z', '1969-12-31 23:59:59.999'],
  ['1965-06-07 08:09:10.123456Z', '1965-06-07 08:09:10.123'],
  ['1900-01-01 00:00:00Z', '1900-01-01 00:00:00.000'],
  ['2026-03-29 02:30:00.999999+01', '2026-03-29 01:30:00.999'],
  ['2026-10-25 02:30:00+02', '2026-10-25 00:30:00.000'],
  ['2106-02-07 06:28:16Z', '2106-02-07 06:28:16.000'],
  ['2299-12-31 23:59:59.999999Z', '2299-12-31 23:59:59.999'],
];
const TIMES_US: readonly Case[] = [
  ['1969-12-31 23:59:59.999999Z', '1969-12-31 23:59:59.999999'],
  ['1900-01-01 00:00:00.000001Z', '1900-01-01 00:00:00.000001'],
  ['2242-03-16 12:56:31.999999Z', '2242-03-16 12:56:31.999999'],
  ['2299-12-31 23:59:59.999999Z', '2299-12-31 23:59:59.999999'],
];
const PAST_DATETIME64 = [
  '1899-12-31 23:59:59.999999Z',
  '2300-01-01 00:00:00Z',
  'infinity',
  '-infinity',
  '0044-03-15 00:00:00Z BC',
  '294276-12-31 23:59:59Z',
];
/** The same for types that differ in nothing but their digits. */
const PAST = ['1899-12-31 23:59:59.999999Z', '2300-01-01 00:00:00Z'];
const time64 = (precision: number, zone = `, 'UTC'`): Pick<Subject, 'kind' | 'pg' | 'ch'> => ({
  kind: 'timestamp',
  pg: 'timestamptz',
  ch: `DateTime64(${precision}${zone})`,
});
/** The same moments with fewer or more digits: cut, or filled with zeros. */
const digits = (cases: readonly Case[], n: number): Case[] =>
  cases.map(([source, stored]) => {
    const [whole = '', fraction = ''] = (stored ?? '').split('.');
    return [source, n === 0 ? whole : `${whole}.${fraction.slice(0, n).padEnd(n, '0')}`];
  });

const SUBJECTS: readonly Subject[] = [
  { name: 'text', kind: 'text', pg: 'text', ch: 'String', good: [...same(TEXTS), [null, '']] },
  { name: 'text_low', kind: 'text', pg: 'text', ch: 'LowCardinality(String)', good: [...same(TEXTS), [null, '']] },
  {
    name: 'text_null',
    kind: 'text',
    ifNull: null,
    pg: 'text',
    ch: 'Nullable(String)',
    good: [...same(TEXTS), [null, null]],
  },
  {
    name: 'text_low_null',
    kind: 'text',
    ifNull: null,
    pg: 'text',
    ch: 'LowCardinality(Nullable(String))',
    good: [...same(TEXTS), [null, null]],
  },
  {
    name: 'text_replaced',
    kind: 'text',
    ifNull: `it's \\N`,
    pg: 'text',
    ch: 'Nullable(String)',
    good: [...same(TEXTS), [null, `it's \\N`]],
  },
  {
    name: 'text_json',
    kind: 'text',
    pg: 'jsonb',
    ch: 'String',
    good: [
      ['{"b":1,"a":"\\u00e9\\n"}', '{"a": "é\\n", "b": 1}'],
      [null, ''],
    ],
  },

  whole('int8', 'Int8', '-128', '127', ['-129', '128', '9223372036854775807']),
  whole('int16', 'Int16', '-32768', '32767', ['-32769', '32768']),
  whole('int32', 'Int32', '-2147483648', '2147483647', ['-2147483649', '2147483648']),
  whole('int64', 'Int64', '-9223372036854775808', '9223372036854775807', []),
  whole('uint8', 'UInt8', '0', '255', ['-1', '256']),
  whole('uint16', 'UInt16', '0', '65535', ['-1', '65536']),
  whole('uint32', 'UInt32', '0', '4294967295', ['-1', '4294967296']),
  whole(
    'uint64',
    'UInt64',
    '0',
    '18446744073709551615',
    ['-1', '18446744073709551616', '340282366920938463463374607431768211461', '1.5', 'NaN', 'Infinity'],
    'numeric',
  ),
  whole('uint32_low', 'LowCardinality(UInt32)', '0', '4294967295', ['-1', '4294967296']),
  {
    name: 'int_null',
    kind: 'int',
    ifNull: null,
    pg: 'integer',
    ch: 'Nullable(Int8)',
    good: [
      ['-128', '-128'],
      [null, null],
    ],
    bad: ['128'],
  },
  {
    name: 'uint64_null',
    kind: 'int',
    ifNull: null,
    pg: 'numeric',
    ch: 'Nullable(UInt64)',
    good: [
      ['18446744073709551615', '18446744073709551615'],
      ['7.000', '7'],
      [null, null],
    ],
    bad: ['-1', '18446744073709551616'],
  },
  {
    name: 'int_replaced',
    kind: 'int',
    ifNull: 7,
    pg: 'smallint',
    ch: 'Nullable(Int16)',
    good: [
      ['-32768', '-32768'],
      [null, '7'],
    ],
  },

  {
    name: 'bool_uint8',
    kind: 'bool',
    pg: 'boolean',
    ch: 'UInt8',
    good: [
      ['true', '1'],
      ['false', '0'],
      [null, '0'],
    ],
  },
  {
    name: 'bool',
    kind: 'bool',
    ifNull: 1,
    pg: 'boolean',
    ch: 'Bool',
    good: [
      ['true', 'true'],
      ['false', 'false'],
      [null, 'true'],
    ],
  },
  {
    name: 'bool_uint8_null',
    kind: 'bool',
    ifNull: null,
    pg: 'boolean',
    ch: 'Nullable(UInt8)',
    good: [
      ['true', '1'],
      ['false', '0'],
      [null, null],
    ],
  },
  {
    name: 'bool_null',
    kind: 'bool',
    ifNull: null,
    pg: 'boolean',
    ch: 'Nullable(Bool)',
    good: [
      ['true', 'true'],
      ['false', 'false'],
      [null, null],
    ],
  },

  {
    name: 'float64',
    kind: 'float',
    pg: 'double precision',
    ch: 'Float64',
    good: [...floats(8, FLOATS), [null, bits(0, 8)]],
  },
  {
    name: 'float64_null',
    kind: 'float',
    ifNull: null,
    pg: 'double precision',
    ch: 'Nullable(Float64)',
    good: [...floats(8, FLOATS), [null, null]],
  },
  {
    name: 'float64_replaced',
    kind: 'float',
    ifNull: 1,
    pg: 'double precision',
    ch: 'Nullable(Float64)',
    good: [...floats(8, FLOATS), [null, bits(1, 8)]],
  },
  {
    name: 'float64_numeric',
    kind: 'float',
    pg: 'numeric',
    ch: 'Float64',
    good: [['0.1', bits(0.1, 8)]],
    bad: ['1e400'],
  },
  {
    name: 'float32',
    kind: 'float',
    pg: 'real',
    ch: 'Float32',
    good: [
      ...floats(4, [
        Number.NaN,
        Number.NEGATIVE_INFINITY,
        -0,
        0.1,
        3.4028234663852886e38,
        1.401298464324817e-45,
        16_777_217,
      ]),
      [null, bits(0, 4)],
    ],
  },
  {
    name: 'float32_null',
    kind: 'float',
    ifNull: null,
    pg: 'double precision',
    ch: 'Nullable(Float32)',
    good: [...floats(4, [Number.NaN, 0.1]), [null, null]],
    bad: ['1e39', '1e-50'],
  },

  {
    name: 'decimal',
    kind: 'decimal',
    pg: 'numeric',
    ch: 'Decimal(18, 4)',
    good: [
      ['0', '0'],
      ['0.000', '0'],
      ['1.50000', '1.5'],
      ['-0.0001', '-0.0001'],
      ['100', '100'],
      ['99999999999999.9999', '99999999999999.9999'],
      ['-99999999999999.9999', '-99999999999999.9999'],
      [null, '0'],
    ],
    bad: ['1.23456', '0.00001', '100000000000000', '-100000000000000', 'NaN', 'Infinity'],
  },
  {
    name: 'decimal9',
    kind: 'decimal',
    ifNull: null,
    pg: 'numeric',
    ch: 'Nullable(Decimal32(2))',
    good: [
      ['9999999.99', '9999999.99'],
      ['-0.5', '-0.5'],
      [null, null],
    ],
    bad: ['10000000', '0.001', 'NaN'],
  },
  {
    name: 'decimal38',
    kind: 'decimal',
    pg: 'numeric',
    ch: 'Decimal128(10)',
    good: [['9999999999999999999999999999.9999999999', '9999999999999999999999999999.9999999999']],
    bad: ['10000000000000000000000000000'],
  },
  {
    name: 'decimal76',
    kind: 'decimal',
    pg: 'numeric',
    ch: 'Decimal(76, 0)',
    good: [
      ['1' + '0'.repeat(75), '1' + '0'.repeat(75)],
      ['-7', '-7'],
    ],
    bad: ['1' + '0'.repeat(76), '0.25'],
  },
  {
    name: 'decimal_replaced',
    kind: 'decimal',
    ifNull: 1.5,
    pg: 'numeric(12,6)',
    ch: 'Nullable(Decimal(9, 2))',
    good: [
      ['12.340000', '12.34'],
      [null, '1.5'],
    ],
  },

  { name: 'time64_0', ...time64(0), good: digits(TIMES_MS, 0), bad: PAST },
  { name: 'time64_1', ...time64(1), good: digits(TIMES_MS, 1), bad: PAST },
  { name: 'time64_3', ...time64(3), good: [...TIMES_MS, [null, '1970-01-01 00:00:00.000']], bad: PAST_DATETIME64 },
  { name: 'time64_4', ...time64(4), good: digits(TIMES_US, 4), bad: PAST },
  { name: 'time64_6', ...time64(6), good: TIMES_US, bad: PAST_DATETIME64 },
  { name: 'time64_7', ...time64(7), good: digits(TIMES_US, 7), bad: PAST },
  { name: 'time64_8', ...time64(8), good: digits(TIMES_US, 8), bad: PAST_DATETIME64 },
  {
    name: 'time64_9',
    ...time64(9),
    good: digits(TIMES_US.slice(0, 3), 9),
    bad: [...PAST_DATETIME64, '2262-04-11 23:47:16.854776Z'],
  },
  { name: 'time64_zone', ...time64(3, `, 'America/New_York'`), good: TIMES_MS, bad: PAST },
  { name: 'time64_server', ...time64(3, ''), good: TIMES_MS, bad: PAST },
  {
    name: 'time64_null',
    ...time64(3),
    ch: `Nullable(DateTime64(3, 'UTC'))`,
    ifNull: null,
    good: [...TIMES_MS, [null, null]],
    bad: PAST_DATETIME64,
  },
  {
    name: 'time64_6_null',
    ...time64(6),
    ch: `Nullable(DateTime64(6, 'UTC'))`,
    ifNull: null,
    good: [...TIMES_US, [null, null]],
    bad: PAST,
  },
  {
    name: 'time64_replaced',
    ...time64(3),
    ch: `Nullable(DateTime64(3, 'UTC'))`,
    ifNull: '2000-01-01T00:00:00.5Z',
    good: [[null, '2000-01-01 00:00:00.500']],
  },
  {
    name: 'time',
    kind: 'timestamp',
    pg: 'timestamptz',
    ch: 'DateTime',
    good: [
      ['1970-01-01 00:00:00.999999Z', '1970-01-01 00:00:00'],
      ['2106-02-07 06:28:15.999999Z', '2106-02-07 06:28:15'],
      [null, '1970-01-01 00:00:00'],
    ],
    bad: ['1969-12-31 23:59:59.999999Z', '2106-02-07 06:28:16Z', 'infinity'],
  },
  {
    name: 'time_null',
    kind: 'timestamp',
    ifNull: null,
    pg: 'timestamptz',
    ch: `Nullable(DateTime('Europe/Berlin'))`,
    good: [
      ['2026-10-25 00:30:00Z', '2026-10-25 00:30:00'],
      ['2026-10-25 01:30:00Z', '2026-10-25 01:30:00'],
      [null, null],
    ],
    bad: ['1969-12-31 23:59:59Z', '2106-02-07 06:28:16Z'],
  },
  {
    name: 'time_local',
    kind: 'timestamp',
    pg: 'timestamp',
    ch: `DateTime64(3, 'UTC')`,
    good: [['2026-03-29 02:30:00.0009', '2026-03-29 02:30:00.000']],
  },

  {
    name: 'date',
    kind: 'date',
    pg: 'date',
    ch: 'Date',
    good: [
      ['1970-01-01', '1970-01-01'],
      ['2149-06-06', '2149-06-06'],
      [null, '1970-01-01'],
    ],
    bad: ['1969-12-31', '2149-06-07', 'infinity'],
  },
  {
    name: 'date_null',
    kind: 'date',
    ifNull: null,
    pg: 'date',
    ch: 'Nullable(Date)',
    good: [
      ['2026-02-28', '2026-02-28'],
      [null, null],
    ],
    bad: ['1969-12-31'],
  },
  {
    name: 'date32',
    kind: 'date',
    ifNull: '1999-12-31',
    pg: 'date',
    ch: 'Date32',
    good: [
      ['1900-01-01', '1900-01-01'],
      ['1969-12-31', '1969-12-31'],
      ['2299-12-31', '2299-12-31'],
      [null, '1999-12-31'],
    ],
    bad: ['1899-12-31', '2300-01-01', '-infinity', '0044-03-15 BC'],
  },
  {
    name: 'date32_null',
    kind: 'date',
    ifNull: null,
    pg: 'date',
    ch: 'Nullable(Date32)',
    good: [
      ['1900-01-01', '1900-01-01'],
      [null, null],
    ],
    bad: ['2300-01-01'],
  },

  {
    name: 'uuid',
    kind: 'uuid',
    pg: 'uuid',
    ch: 'UUID',
    good: [
      ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
      [null, '00000000-0000-0000-0000-000000000000'],
    ],
  },
  {
    name: 'uuid_null',
    kind: 'uuid',
    ifNull: null,
    pg: 'uuid',
    ch: 'Nullable(UUID)',
    good: [
      ['ffffffff-ffff-ffff-ffff-ffffffffffff', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
      [null, null],
    ],
  },
];

/** ClickHouse: a stored value as plain text, by what its type is. Bytes and bits where text could hide something. */
function printed({ kind, name }: Subject): string {
  if (kind === 'text' || kind === 'float') return `hex(${name})`;
  if (kind === 'timestamp') return `toString(toTimeZone(${name}, 'UTC'))`;
  return `toString(${name})`;
}
/** What `printed` prints of an expected value. */
function asPrinted({ kind }: Subject, stored: string | null): string | null {
  return kind === 'text' && stored !== null ? Buffer.from(stored).toString('hex').toUpperCase() : stored;
}

const KINDS = { bool, date, decimal, float, int, text, timestamp, uuid };

function column({ name, kind, ifNull }: Subject): ColumnDefinition {
  const made = KINDS[kind](`s.${name}`);
  return ifNull === undefined ? made : { ...made, ifNull };
}

const EPOCH = Date.parse('2026-01-05T00:00:00Z');
/** Row n has an hour to itself. */
const hourOf = (n: number): Range => ({ from: instant(EPOCH + n * HOUR_MS), to: instant(EPOCH + (n + 1) * HOUR_MS) });

function tableOf(subjects: readonly Subject[]): TableDefinition {
  const rows = (where: string) => `SELECT * FROM src WHERE ${where}`;
  return {
    name: 'out',
    key: 'id',
    time: 'at',
    version: 'version',
    owner: { customer: 'customer', profile: 'profile' },
    source: {
      from: ':rows AS s',
      rowsInRange: rows('at >= :from AND at < :to'),
      rowsByKey: rows('id = ANY (:keys::bigint[])'),
      whereKey: 'true',
    },
    exclusions: [],
    columns: {
      id: int('s.id'),
      at: timestamp('s.at'),
      ...Object.fromEntries(subjects.map((s) => [s.name, column(s)])),
    },
    unproven: Object.fromEntries(
      SUBJECTS.filter((s) => !subjects.includes(s)).map(({ name }) => [name, 'it is another test’s']),
    ),
  };
}

const datasetOf = (subjects: readonly Subject[]): DatasetDefinition => ({
  name: 'codec',
  tenants: `SELECT 'a' AS customer, 'b' AS profile`,
  tables: [tableOf(subjects)],
});

const targetSchema = (database: string) => [
  `CREATE TABLE \`${database}\`.out (customer String, profile String, id UInt64, at DateTime64(3, 'UTC'),
     ${SUBJECTS.map((s) => `${s.name} ${s.ch} DEFAULT ${/Nullable/u.test(s.ch) ? 'NULL' : 'defaultValueOfTypeName($$' + s.ch + '$$)'}`).join(',\n')},
     version DateTime64(6, 'UTC'))
   ENGINE = ReplacingMergeTree(version) ORDER BY id SETTINGS allow_suspicious_low_cardinality_types = 1`,
];
const sourceSchema = `CREATE TABLE src (id bigint PRIMARY KEY, at timestamptz NOT NULL, ${SUBJECTS.map((s) => `${s.name} ${s.pg}`).join(', ')})`;

const write = (bench: Workbench, range: Range, query: string) =>
  writeWindow(bench, range, {
    keepAttempt: () => Promise.resolve({ out: query }),
    stillOurs: () => Promise.resolve(),
    onRows: () => undefined,
    signal: new AbortController().signal,
  });

async function fill(t: TestTenant, rows: readonly (readonly [hour: number, cells: Record<string, string | null>])[]) {
  for (const [index, [hour, cells]] of rows.entries()) {
    const names = Object.keys(cells);
    await t.pg.query(
      `INSERT INTO src (id, at${names.map((n) => `, ${n}`).join('')})
       VALUES ($1, $2${names.map((_, i) => `, $${i + 3}`).join('')})`,
      [hour * 1000 + index, instant(EPOCH + hour * HOUR_MS), ...Object.values(cells)],
    );
  }
}

test('what is stored is what was meant, and both sides hash it alike', async () => {
  const t = await createTenant({ dataset: datasetOf(SUBJECTS), sourceSchema, targetSchema });
  const bench = await openBench(t);
  const height = Math.max(...SUBJECTS.map((s) => s.good.length));
  const caseOf = (s: Subject, n: number): Case => s.good[Math.min(n, s.good.length - 1)] ?? [null, null];
  const numbers = Array.from({ length: height }, (_, n) => n);
  await fill(
    t,
    numbers.map((n) => [0, Object.fromEntries(SUBJECTS.map((s) => [s.name, caseOf(s, n)[0]]))]),
  );
  expect(await write(bench, hourOf(0), `codec-good-${t.database}`)).toMatchObject({ rows: height });

  const stored = await t.select<Record<string, string | null>>(
    `SELECT ${SUBJECTS.map((s) => `${printed(s)} AS p_${s.name}`).join(', ')} FROM out ORDER BY id`,
  );
  const wrong: string[] = [];
  for (const n of numbers) {
    for (const s of SUBJECTS) {
      const [source, meant] = caseOf(s, n);
      const found = stored[n]?.[`p_${s.name}`];
      if (found !== asPrinted(s, meant))
        wrong.push(`${s.name} of ${short(source)}: ${short(found)}, not ${short(meant)}`);
    }
  }
  expect([...new Set(wrong)]).toEqual([]);

  // The canonical texts, column by column, and then the hash over all of them.
  const codecs = SUBJECTS.map((s) => {
    const codec = columnCodec(column(s), s.ch);
    if (typeof codec === 'string') throw new Error(codec);
    return { name: s.name, codec };
  });
  const left = await t.pg.query<Record<string, string | null>>(
    `SELECT ${codecs.map(({ name, codec }) => `(${codec.wire})::text AS ${name}`).join(', ')} FROM src s ORDER BY id`,
  );
  const right = await t.select<Record<string, string | null>>(
    `SELECT ${codecs.map(({ name, codec }) => `toString(${codec.field(identifier(name))}) AS t_${name}`).join(', ')} FROM out ORDER BY id`,
  );
  for (const n of numbers) {
    for (const { name } of codecs) {
      const [a, b] = [left.rows[n]?.[name], right[n]?.[`t_${name}`]];
      if (a !== b) wrong.push(`${name}, row ${n}: source ${short(a)}, target ${short(b)}`);
    }
  }
  expect(wrong).toEqual([]);

  const table = benchTable(bench, 'out');
  const source = await withSnapshot(bench.source, (snapshot) => sourceSums(bench, table, snapshot, hourOf(0)));
  const [target] = await targetSums(bench.target, table, bench.tenant, [hourOf(0)]);
  expect(target).toEqual(source.buckets);
  // A hash that was the same for all would be equal too.
  const distinct = await t.select<{ n: string }>(
    `SELECT toString(uniqExact(refill_own_xx, refill_own_murmur)) AS n FROM (SELECT ${targetHash(table)} FROM out)`,
  );
  expect(distinct).toEqual([{ n: String(height) }]);
});

const short = (value: unknown): string => JSON.stringify(value)?.slice(0, 60) ?? 'nothing';

test('what does not fit is an error that names the column, not the value, and writes nothing wrong', async () => {
  const t = await createTenant({ dataset: datasetOf([]), sourceSchema, targetSchema });
  const cases = SUBJECTS.flatMap((s) => (s.bad ?? []).map((value) => ({ s, value })));
  // A row that fits before and after: the whole window must be refused, not the rest of it.
  await fill(
    t,
    cases.flatMap(({ s, value }, n) => [
      [n, { [s.name]: s.good[0]?.[0] ?? null }] as const,
      [n, { [s.name]: value }] as const,
    ]),
  );
  const wrong: string[] = [];
  for (const s of SUBJECTS) {
    const bad = cases.flatMap((c, n) => (c.s === s ? [{ ...c, n }] : []));
    if (bad.length === 0) continue;
    const bench = await openBench(t, datasetOf([s]));
    for (const { value, n } of bad) {
      const about = `${s.name} of ${value}`;
      const error = await write(bench, hourOf(n), `codec-bad-${t.database}-${n}`).then(
        () => null,
        (thrown: unknown) => asRefillError(thrown),
      );
      if (!error) wrong.push(`${about}: written without an error`);
      else if (error.code !== 'CH_VALUE' && error.code !== 'PG_VALUE')
        wrong.push(`${about}: ${error.code} ${error.message}`);
      else if (!new RegExp(`\\b${s.name}\\b`, 'u').test(error.message))
        wrong.push(`${about}: no column in «${error.message}»`);
      else if (withoutAddress(error.message).includes(value)) wrong.push(`${about}: the value in «${error.message}»`);
    }
  }
  expect(wrong).toEqual([]);
  expect(await t.select(`SELECT id, at FROM out`)).toEqual([]);
});

/** A message without the server's port, whose digits may be those of a value. */
function withoutAddress(message: string): string {
  return message.replace(/127\.0\.0\.1:\d+/u, '');
}
