import type { ColumnDefinition } from '../../../src/index.ts';
import {
  array,
  bool,
  bytes,
  date,
  decimal,
  enumeration,
  float,
  int,
  ip,
  map,
  text,
  timestamp,
  tuple,
  uuid,
} from '../../../src/index.ts';

/**
 * Types of both servers with values that get lost, rounded or misread elsewhere. What is expected was written down here
 * by hand, as a plain SELECT of ClickHouse prints it: no code of ours says it.
 */
export interface Subject {
  /** The source column's type. */
  readonly pg: string;
  /** The target column's type. */
  readonly ch: string;
  /** The definition, for the docs and for the dataset, of the expression `c`. */
  readonly as: (c: string) => ColumnDefinition;
  /** The definition as an author writes it. */
  readonly written: string;
  /** What Postgres is given, as text, and what a SELECT prints. */
  readonly good: readonly (readonly [source: string | null, stored: string | null])[];
  /** ClickHouse: what is printed of the column `c`. Default: `toString(c)`. */
  readonly print?: (c: string) => string;
  /** What cannot be held: what it is, for the docs, and the value. */
  readonly bad?: readonly (readonly [what: string, source: string | null])[];
}

const WIDE: readonly (readonly [type: string, low: string, high: string])[] = [
  ['UInt64', '0', String(2n ** 64n - 1n)],
  ['Int128', String(-(2n ** 127n)), String(2n ** 127n - 1n)],
  ['UInt128', '0', String(2n ** 128n - 1n)],
  ['Int256', String(-(2n ** 255n)), String(2n ** 255n - 1n)],
  ['UInt256', '0', String(2n ** 256n - 1n)],
];

const wide = WIDE.map(([ch, low, high]): Subject => ({
  pg: 'numeric',
  ch,
  as: (c) => int(c),
  written: 'int(…)',
  good: [
    [low, low],
    [high, high],
    ['7.000', '7'],
    [null, '0'],
  ],
  bad: [
    ['one more than the largest', String(BigInt(high) + 1n)],
    ['one less than the smallest', String(BigInt(low) - 1n)],
    ['a multiple of the type’s size', String(2n ** 300n)],
    ['a fraction', '1.5'],
    ['NaN', 'NaN'],
  ],
}));

const bits = (c: string) => `leftPad(lower(hex(reinterpretAsUInt64(${c}))), 16, '0')`;

const NUMBERS: readonly Subject[] = [
  {
    pg: 'bigint',
    ch: 'Int8',
    as: (c) => int(c),
    written: 'int(…)',
    good: [
      ['-128', '-128'],
      ['127', '127'],
    ],
    bad: [['past the bounds', '128']],
  },
  {
    pg: 'bigint',
    ch: 'Nullable(UInt32)',
    as: (c) => int(c, { ifNull: null }),
    written: 'int(…, { ifNull: null })',
    good: [
      ['4294967295', '4294967295'],
      [null, null],
    ],
    bad: [['past the bounds', '-1']],
  },
  ...wide,
  {
    pg: 'double precision',
    ch: 'Float64',
    as: (c) => float(c),
    written: 'float(…)',
    print: bits,
    good: [
      ['0.1', '3fb999999999999a'],
      ['5e-324', '0000000000000001'],
      ['Infinity', '7ff0000000000000'],
      // The docs say that -0 counts as 0.
      ['-0', '0000000000000000'],
    ],
  },
  {
    pg: 'real',
    ch: 'Float32',
    as: (c) => float(c),
    written: 'float(…)',
    good: [
      ['0.1', '0.1'],
      ['NaN', 'nan'],
    ],
  },
  {
    pg: 'numeric',
    ch: 'Decimal(76, 38)',
    as: (c) => decimal(c),
    written: 'decimal(…)',
    good: [
      [`${'9'.repeat(38)}.${'9'.repeat(38)}`, `${'9'.repeat(38)}.${'9'.repeat(38)}`],
      ['-0.10', '-0.1'],
    ],
    bad: [
      ['a digit past the scale', `0.${'0'.repeat(38)}1`],
      ['a digit past the precision', `1${'0'.repeat(38)}`],
      ['NaN', 'NaN'],
    ],
  },
  {
    pg: 'boolean',
    ch: 'Bool',
    as: (c) => bool(c),
    written: 'bool(…)',
    good: [
      ['true', 'true'],
      [null, 'false'],
    ],
  },
];

const TIMES: readonly Subject[] = [
  {
    pg: 'timestamptz',
    ch: `DateTime64(9, 'America/New_York')`,
    as: (c) => timestamp(c),
    written: 'timestamp(…)',
    print: (c) => `toString(toTimeZone(${c}, 'UTC'))`,
    good: [
      ['2026-03-29 02:30:00.123456+01', '2026-03-29 01:30:00.123456000'],
      ['1969-12-31 23:59:59.999999Z', '1969-12-31 23:59:59.999999000'],
    ],
    bad: [
      ['past 2262', '2263-01-01 00:00:00Z'],
      ['infinity', 'infinity'],
    ],
  },
  {
    pg: 'timestamptz',
    ch: 'DateTime',
    as: (c) => timestamp(c),
    written: 'timestamp(…)',
    print: (c) => `toString(toTimeZone(${c}, 'UTC'))`,
    good: [['2106-02-07 06:28:15.9Z', '2106-02-07 06:28:15']],
    bad: [['before 1970 or after 2106-02-07', '1969-12-31 23:59:59Z']],
  },
  {
    pg: 'date',
    ch: 'Date',
    as: (c) => date(c),
    written: 'date(…)',
    good: [['2149-06-06', '2149-06-06']],
    bad: [['before 1970 or after 2149-06-06', '1969-12-31']],
  },
  {
    pg: 'date',
    ch: 'Date32',
    as: (c) => date(c),
    written: 'date(…)',
    good: [['1900-01-01', '1900-01-01']],
    bad: [['before 1900 or after 2299', '2300-01-01']],
  },
  {
    pg: 'interval',
    ch: 'String',
    as: (c) => text(c),
    written: 'text(…)',
    good: [
      ['P1M2DT3H4M5.678S', '1 mon 2 days 03:04:05.678'],
      ['-1 day +02:00', '-1 days +02:00:00'],
    ],
  },
  {
    pg: 'interval',
    ch: 'Decimal(18, 6)',
    as: (c) => decimal(`extract(epoch from ${c})`),
    written: `decimal('extract(epoch from …)')`,
    good: [['1 day 00:00:00.000001', '86400.000001']],
  },
];

const hexed = (c: string) => `hex(${c})`;
const hex = (value: string) => Buffer.from(value).toString('hex').toUpperCase();
const NASTY = [
  `tab\there`,
  'line\nfeed',
  'back\\slash',
  `it's "quoted"`,
  '\u0001\b\v\u007f',
  '\\N',
  'a,b',
  '\\b\\c',
  '\u{1F600}',
];

const TEXTS: readonly Subject[] = [
  {
    pg: 'text',
    ch: 'LowCardinality(Nullable(String))',
    as: (c) => text(c, { ifNull: null }),
    written: 'text(…, { ifNull: null })',
    print: hexed,
    good: [...NASTY.map((v) => [v, hex(v)] as const), ['', ''], [null, null]],
  },
  {
    pg: 'text',
    ch: 'FixedString(4)',
    as: (c) => text(c),
    written: 'text(…)',
    print: hexed,
    good: [
      ['EUR', '45555200'],
      ['\u{1F600}', 'F09F9880'],
      [null, '00000000'],
    ],
    bad: [['more bytes', 'EUROS']],
  },
  {
    pg: 'mood',
    ch: `Enum8('' = 0, 'happy' = 1, 'it\\'s, ok' = -2)`,
    as: (c) => enumeration(c),
    written: 'enumeration(…)',
    good: [
      ['happy', 'happy'],
      [`it's, ok`, `it's, ok`],
      [null, ''],
    ],
    bad: [['a name that the target does not know', 'new']],
  },
  {
    pg: 'text',
    ch: `Nullable(Enum16('a' = 1, 'b' = 300))`,
    as: (c) => enumeration(c, { ifNull: null }),
    written: 'enumeration(…, { ifNull: null })',
    good: [
      ['b', 'b'],
      [null, null],
    ],
    bad: [
      ['a name that the target does not know', 'B'],
      ['a number of the enum', '300'],
    ],
  },
  {
    pg: 'text',
    ch: `Enum8('a' = 1)`,
    as: (c) => enumeration(c),
    written: 'enumeration(…)',
    good: [['a', 'a']],
    bad: [['NULL, if the target has no empty name', null]],
  },
  {
    pg: 'bytea',
    ch: 'String',
    as: (c) => bytes(c),
    written: 'bytes(…)',
    print: hexed,
    good: [
      ['\\x00ff095c0a', '00FF095C0A'],
      [null, ''],
    ],
  },
  {
    pg: 'bytea',
    ch: 'Nullable(FixedString(3))',
    as: (c) => bytes(c, { ifNull: null }),
    written: 'bytes(…, { ifNull: null })',
    print: hexed,
    good: [
      ['\\x00ff00', '00FF00'],
      [null, null],
    ],
    bad: [
      ['more bytes', '\\x00ff0000'],
      ['fewer bytes', '\\x00ff'],
    ],
  },
  {
    pg: 'uuid',
    ch: 'Nullable(UUID)',
    as: (c) => uuid(c, { ifNull: null }),
    written: 'uuid(…, { ifNull: null })',
    good: [
      ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
      [null, null],
    ],
  },
  {
    pg: 'inet',
    ch: 'IPv4',
    as: (c) => ip(c),
    written: 'ip(…)',
    good: [
      ['192.0.2.255', '192.0.2.255'],
      [null, '0.0.0.0'],
    ],
    bad: [
      ['an IPv6 address, also a mapped one', '::ffff:192.0.2.1'],
      ['a network', '192.0.2.0/24'],
    ],
  },
  {
    pg: 'inet',
    ch: 'Nullable(IPv6)',
    as: (c) => ip(c, { ifNull: null }),
    written: 'ip(…, { ifNull: null })',
    good: [
      ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1'],
      ['192.0.2.1', '::ffff:192.0.2.1'],
      [null, null],
    ],
    bad: [['a network', '2001:db8::/32']],
  },
  {
    pg: 'jsonb',
    ch: 'String',
    as: (c) => text(c),
    written: 'text(…)',
    good: [['{"b":1.50,"a":null}', '{"a": null, "b": 1.50}']],
  },
  {
    pg: 'int4range',
    ch: 'String',
    as: (c) => text(c),
    written: 'text(…)',
    good: [
      ['[1,5]', '[1,6)'],
      ['empty', 'empty'],
    ],
  },
  {
    pg: 'small',
    ch: 'Int8',
    as: (c) => int(c),
    written: 'int(…)',
    good: [['7', '7']],
    bad: [['past the bounds', '200']],
  },
];

const CONTAINERS: readonly Subject[] = [
  {
    pg: 'text[]',
    ch: 'Array(String)',
    as: (c) => array(c, text(':item')),
    written: `array(…, text(':item'))`,
    print: (c) => `arrayStringConcat(arrayMap(x -> concat('<', hex(x), '>'), ${c}))`,
    good: [
      ['{}', ''],
      [null, ''],
      ['{""}', '<>'],
      ['{NULL}', '<>'],
      ['{"NULL"}', `<${hex('NULL')}>`],
      [
        `{${NASTY.map((v) => `"${v.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(',')}}`,
        NASTY.map((v) => `<${hex(v)}>`).join(''),
      ],
    ],
    bad: [['two dimensions', '{{a,b},{c,d}}']],
  },
  {
    pg: 'mood[]',
    ch: 'Array(LowCardinality(Nullable(String)))',
    as: (c) => array(c, text(':item', { ifNull: null })),
    written: `array(…, text(':item', { ifNull: null }))`,
    good: [
      [`{happy,NULL,"it's, ok"}`, `['happy',NULL,'it\\'s, ok']`],
      ['{}', '[]'],
    ],
  },
  {
    pg: 'integer[]',
    ch: 'Array(Nullable(Int8))',
    as: (c) => array(c, int(':item', { ifNull: null })),
    written: `array(…, int(':item', { ifNull: null }))`,
    good: [
      ['{1,NULL,-128}', '[1,NULL,-128]'],
      ['[5:6]={3,2}', '[3,2]'],
    ],
    bad: [
      ['an element past the bounds', '{1,128}'],
      ['two dimensions', '{{1,2}}'],
    ],
  },
  {
    pg: 'integer[]',
    ch: 'Array(Array(UInt16))',
    as: (c) => array(c, array(':item', int(':item'))),
    written: `array(…, array(':item', int(':item')))`,
    good: [
      ['{{1,2},{3,NULL}}', '[[1,2],[3,0]]'],
      ['{}', '[]'],
    ],
    bad: [
      ['one dimension', '{1,2}'],
      ['an element past the bounds', '{{1},{65536}}'],
    ],
  },
  {
    pg: 'text[]',
    ch: 'Array(Array(String))',
    as: (c) => array(c, array(':item', text(':item'))),
    written: `array(…, array(':item', text(':item')))`,
    good: [[`{{"a,b","c\\\\"},{"","\\\\,"}}`, `[['a,b','c\\\\'],['','\\\\,']]`]],
  },
  {
    pg: 'numeric[]',
    ch: 'Array(UInt256)',
    as: (c) => array(c, int(':item')),
    written: `array(…, int(':item'))`,
    good: [[`{${2n ** 256n - 1n},0}`, `[${2n ** 256n - 1n},0]`]],
    bad: [
      ['an element past the bounds', `{${2n ** 256n}}`],
      ['a fraction', '{1.5}'],
    ],
  },
  {
    pg: 'double precision[]',
    ch: 'Array(Float64)',
    as: (c) => array(c, float(':item')),
    written: `array(…, float(':item'))`,
    print: (c) => `arrayStringConcat(arrayMap(x -> ${bits('x')}, ${c}), ' ')`,
    good: [
      [
        '{0.1,5e-324,Infinity,-0,1.7976931348623157e308}',
        '3fb999999999999a 0000000000000001 7ff0000000000000 0000000000000000 7fefffffffffffff',
      ],
    ],
  },
  {
    pg: 'double precision[]',
    ch: 'Array(Nullable(Float64))',
    as: (c) => array(c, float(':item', { ifNull: null })),
    written: `array(…, float(':item', { ifNull: null }))`,
    good: [['{NaN,NULL,-Infinity}', '[nan,NULL,-inf]']],
  },
  {
    pg: 'numeric[]',
    ch: 'Array(Decimal(9, 2))',
    as: (c) => array(c, decimal(':item')),
    written: `array(…, decimal(':item'))`,
    good: [['{1.50,-0.01}', '[1.5,-0.01]']],
    bad: [['a digit past the scale', '{0.001}']],
  },
  {
    pg: 'timestamptz[]',
    ch: `Array(DateTime64(6, 'UTC'))`,
    as: (c) => array(c, timestamp(':item')),
    written: `array(…, timestamp(':item'))`,
    good: [['{"2026-01-05 06:00:00.123456+02"}', `['2026-01-05 04:00:00.123456']`]],
    bad: [['infinity', '{infinity}']],
  },
  {
    pg: 'jsonb',
    ch: `Array(DateTime64(3, 'UTC'))`,
    as: (c) => array(c, timestamp(':item')),
    written: `array(…, timestamp(':item'))`,
    good: [['["2026-01-05T06:00:00.5+02:00"]', `['2026-01-05 04:00:00.500']`]],
    bad: [['a word such as `now`', '["now"]']],
  },
  {
    pg: 'jsonb[]',
    ch: 'Array(Map(String, UInt8))',
    as: (c) => array(c, map(':item', text(':key'), int(':item'))),
    written: `array(…, map(':item', text(':key'), int(':item')))`,
    good: [[`{"{\\"a\\": 1}","{}",NULL}`, `[{'a':1},{},{}]`]],
  },
  {
    pg: 'date[]',
    ch: 'Array(Date32)',
    as: (c) => array(c, date(':item')),
    written: `array(…, date(':item'))`,
    good: [['{1900-01-01,2299-12-31}', `['1900-01-01','2299-12-31']`]],
    bad: [['a day past the type’s', '{2300-01-01}']],
  },
  {
    pg: 'uuid[]',
    ch: 'Array(UUID)',
    as: (c) => array(c, uuid(':item')),
    written: `array(…, uuid(':item'))`,
    good: [['{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}', `['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']`]],
  },
  {
    pg: 'inet[]',
    ch: 'Array(IPv4)',
    as: (c) => array(c, ip(':item')),
    written: `array(…, ip(':item'))`,
    good: [['{192.0.2.1}', `['192.0.2.1']`]],
    bad: [['a network', '{192.0.2.0/24}']],
  },
  {
    pg: 'bytea[]',
    ch: 'Array(String)',
    as: (c) => array(c, bytes(':item')),
    written: `array(…, bytes(':item'))`,
    print: (c) => `arrayStringConcat(arrayMap(x -> concat('<', hex(x), '>'), ${c}))`,
    good: [['{"\\\\x00ff","\\\\x"}', '<00FF><>']],
  },
  {
    pg: 'boolean[]',
    ch: 'Array(Bool)',
    as: (c) => array(c, bool(':item')),
    written: `array(…, bool(':item'))`,
    good: [['{t,f,NULL}', '[true,false,false]']],
  },
  {
    pg: 'mood[]',
    ch: `Array(Enum8('happy' = 1))`,
    as: (c) => array(c, enumeration(':item')),
    written: `array(…, enumeration(':item'))`,
    good: [['{happy}', `['happy']`]],
    bad: [
      ['a name that the target does not know', '{new}'],
      ['NULL in it', '{NULL}'],
    ],
  },
  {
    pg: 'jsonb',
    ch: 'Array(Int64)',
    as: (c) => array(c, int(':item')),
    written: `array(…, int(':item'))`,
    good: [
      ['[9223372036854775807, null]', '[9223372036854775807,0]'],
      ['null', '[]'],
    ],
    bad: [
      ['a fraction', '[1.5]'],
      ['no array', '{"a": 1}'],
      ['a number past the bounds', '[9223372036854775808]'],
    ],
  },
  {
    pg: 'jsonb',
    ch: 'Array(Date)',
    as: (c) => array(c, date(':item')),
    written: `array(…, date(':item'))`,
    good: [['["2026-01-05"]', `['2026-01-05']`]],
    bad: [
      ['a time in place of a day', '["2026-01-05T10:00:00Z"]'],
      ['a word such as `today`', '["today"]'],
    ],
  },
  {
    pg: 'jsonb',
    ch: 'Array(Tuple(sku String, quantity UInt8))',
    as: (c) => array(c, tuple(':item::jsonb', [text(`:item ->> 'sku'`), int(`:item ->> 'quantity'`)])),
    written: `array(…, tuple(':item::jsonb', [text(":item ->> 'sku'"), int(":item ->> 'quantity'")]))`,
    good: [[`[{"sku": "a,b'", "quantity": 2}, {}]`, `[('a,b\\'',2),('',0)]`]],
    bad: [['an element past the bounds', '[{"quantity": 256}]']],
  },
  {
    pg: 'jsonb',
    ch: 'Map(String, String)',
    as: (c) => map(c, text(':key'), text(':item')),
    written: `map(…, text(':key'), text(':item'))`,
    good: [
      ['{"b": "x,y", "a": "it\'s", "": 1.50}', `{'':'1.50','a':'it\\'s','b':'x,y'}`],
      ['{}', '{}'],
      [null, '{}'],
    ],
    print: (c) => `toString(mapSort(${c}))`,
    bad: [['no object', '[1]']],
  },
  {
    pg: 'jsonb',
    ch: 'Map(UInt8, Nullable(Int32))',
    as: (c) => map(c, int(':key'), int(':item', { ifNull: null })),
    written: `map(…, int(':key'), int(':item', { ifNull: null }))`,
    print: (c) => `toString(mapSort(${c}))`,
    good: [['{"10": -1, "9": null}', '{9:NULL,10:-1}']],
    bad: [
      ['two texts that are one key', '{"1": 1, "01": 2}'],
      ['a key past the bounds', '{"256": 1}'],
      ['a value past the bounds', '{"1": 2147483648}'],
    ],
  },
  {
    pg: 'jsonb',
    ch: 'Map(LowCardinality(String), Array(Nullable(Int8)))',
    as: (c) => map(c, text(':key'), array(':item', int(':item', { ifNull: null }))),
    written: `map(…, text(':key'), array(':item', int(':item', { ifNull: null })))`,
    good: [['{"a": [1, null], "b": []}', `{'a':[1,NULL],'b':[]}`]],
  },
  {
    pg: 'int4range',
    ch: 'Tuple(low Nullable(Int32), high Nullable(Int32))',
    as: (c) => tuple(c, [int('lower(:item)', { ifNull: null }), int('upper(:item)', { ifNull: null })]),
    written: `tuple(…, [int('lower(:item)', { ifNull: null }), int('upper(:item)', { ifNull: null })])`,
    good: [
      ['[1,5]', '(1,6)'],
      ['(,3)', '(NULL,3)'],
    ],
  },
  {
    pg: 'place',
    ch: 'Tuple(String, Nullable(Float64))',
    as: (c) => tuple(c, [text('(:item).name'), float('(:item).height', { ifNull: null })]),
    written: `tuple(…, [text('(:item).name'), float('(:item).height', { ifNull: null })])`,
    good: [
      ['("a, ""b"" \\\\",1.5)', `('a, "b" \\\\',1.5)`],
      ['(,)', `('',NULL)`],
      [null, `('',NULL)`],
    ],
  },
];

export const SUBJECTS: readonly Subject[] = [...NUMBERS, ...TIMES, ...TEXTS, ...CONTAINERS];

/** What is refused before anything is read: `doctor` and `plan` name the column, the type, and what to do. */
export const REFUSED: readonly {
  readonly pg: string;
  readonly ch: string;
  readonly as: (c: string) => ColumnDefinition;
  readonly written: string;
  /** What the error says. */
  readonly says: string;
}[] = [
  { pg: 'jsonb', ch: 'JSON', as: (c) => text(c), written: 'text(…)', says: 'unproven' },
  { pg: 'text', ch: 'Variant(Int32, String)', as: (c) => text(c), written: 'text(…)', says: 'unproven' },
  { pg: 'text', ch: 'Dynamic', as: (c) => text(c), written: 'text(…)', says: 'unproven' },
  { pg: 'interval', ch: 'IntervalSecond', as: (c) => int(c), written: 'int(…)', says: 'unproven' },
  { pg: 'time', ch: 'Time64(3)', as: (c) => text(c), written: 'text(…)', says: 'unproven' },
  { pg: 'float8', ch: 'BFloat16', as: (c) => float(c), written: 'float(…)', says: 'unproven' },
  { pg: 'text', ch: `Enum8('a' = 1)`, as: (c) => text(c), written: 'text(…)', says: 'takes enumeration' },
  { pg: 'text[]', ch: 'Array(String)', as: (c) => text(c), written: 'text(…)', says: 'takes array' },
  { pg: 'numeric', ch: 'Int64', as: (c) => int(c), written: 'int(…)', says: 'the expression is numeric' },
  {
    pg: 'double precision',
    ch: 'Decimal(9, 2)',
    as: (c) => decimal(c),
    written: 'decimal(…)',
    says: 'the expression is float8',
  },
  { pg: 'timestamptz', ch: 'Date', as: (c) => date(c), written: 'date(…)', says: 'the expression is timestamptz' },
  {
    pg: 'real[]',
    ch: 'Array(Float64)',
    as: (c) => array(c, float(':item')),
    written: `array(…, float(':item'))`,
    says: 'the expression is _float4',
  },
  {
    pg: 'text',
    ch: 'Array(String)',
    as: (c) => array(c, text(':item')),
    written: `array(…, text(':item'))`,
    says: 'the expression is text',
  },
  {
    pg: 'numrange',
    ch: 'Tuple(Int32, Int32)',
    as: (c) => tuple(c, [int('lower(:item)'), int('upper(:item)')]),
    written: `tuple(…, [int('lower(:item)'), …])`,
    says: 'the expression is numeric',
  },
  {
    pg: 'text',
    ch: 'String',
    as: (c) => text(c, { ifNull: null }),
    written: 'text(…, { ifNull: null })',
    says: 'is not Nullable',
  },
];
