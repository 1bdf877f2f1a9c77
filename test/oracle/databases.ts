import * as fc from 'fast-check';

/** Random source databases with everything that is wrong in real ones, small enough to be read when one fails. */

export const RANGE = { from: '2026-01-31T21:59:59.999Z', to: '2026-02-01T03:00:00.500Z' };

/** Names and ids that break what is quoted, split or printed carelessly. */
const NASTY = [
  'a',
  'A',
  `o'b`,
  'x"y',
  'a.b',
  ' c ',
  'ü\u{1F600}e\u0301',
  '\\',
  '\\N',
  `\\'`,
  '%s',
  ':from',
  ':keys::text[]',
  '$1',
  `'; DROP TABLE director.scores; --`,
  't\tt',
  'n\nl\r',
  '`',
  '{"a":1}',
  '{',
  'NULL',
  '\u000b\u0008\u000c\u0001',
] as const;
const name = fc.constantFrom(...NASTY);

const US = 1000;
const [from, to] = [Date.parse(RANGE.from) * US, Date.parse(RANGE.to) * US];
const DAY_US = 86_400_000_000;
const written = (us: number): string => {
  const seconds = new Date(Math.floor(us / 1_000_000) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(us - Math.floor(us / 1_000_000) * 1_000_000).padStart(6, '0')}Z`;
};
/** Around the ends of the range to the microsecond, and anywhere near. */
const nearUs = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.constantFrom(from, from - 1, from + 1, from + 999, from + 1000, to, to - 1, to - 1000, to + 1),
  },
  { weight: 3, arbitrary: fc.integer({ min: from, max: to - 1 }) },
  { weight: 1, arbitrary: fc.integer({ min: from - DAY_US, max: to + DAY_US }) },
);
const near = nearUs.map(written);
const anyTime = fc.oneof(
  near,
  fc.constantFrom(
    '1900-01-01T00:00:00Z',
    '1969-12-31T23:59:59.999999Z',
    '2106-02-07T06:28:16Z',
    '2299-12-31T23:59:59.999999Z',
  ),
);

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 3 });
const free = fc.oneof(
  name,
  fc.string({ unit: 'binary', maxLength: 6 }).map((s) => s.replaceAll('\0', '\u0001')),
);
/** As JSON holds them: what is no number in JSON is a text there. */
const double = fc.oneof(
  fc.constantFrom<number | string>('NaN', 'Infinity', '-Infinity', 0, -0, 0.1, 1e-320, 1e21, 100),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

const CRITERIA = ['c1', 'c2', 'c3', `o'c\\`, 'ü', ''] as const;
const criterion = fc.constantFrom(...CRITERIA);
const items: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  item: fc.oneof(
    { weight: 6, arbitrary: fc.record({ identifier: criterion, weight: fc.constant(1) }) },
    {
      weight: 3,
      arbitrary: fc.record(
        { identifier: criterion, chapter: fc.boolean(), items: tie('items') },
        { requiredKeys: ['items'] },
      ),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom<unknown>(
        {},
        null,
        'c1',
        7,
        ['c1'],
        { identifier: null },
        { items: { identifier: 'c1' } },
        { identifier: 'c2', chapter: 'true' },
      ),
    },
  ),
  items: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'items' },
    fc.constant([]),
    fc.array(tie('item'), { maxLength: 3, depthIdentifier: 'items' }),
  ),
})).items;
const structure = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      items: fc.array(
        fc.record({ identifier: criterion, chapter: fc.constant(true), items }, { requiredKeys: ['identifier'] }),
        { maxLength: 3 },
      ),
    }),
  },
  { weight: 4, arbitrary: items.map((i) => ({ items: i })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>({}, [], { items: null }, { items: 'c1' }, [{ items: [{ identifier: 'c1' }] }]),
  },
);

const unique = <T>(arbitrary: fc.Arbitrary<T>, selector: (value: T) => unknown, maxLength: number, minLength = 0) =>
  fc.uniqueArray(arbitrary, { selector, maxLength, minLength });

const FEW = fc.constantFrom(...NASTY.slice(0, 8));
/** Revisions of few templates, and few conversations, so that most references find something. */
const template = fc.record({ resource_id: fc.constantFrom('t', `t'2`), revision: fc.constantFrom('1', '2', ' 1') });

const card = fc
  .record({
    resource_id: name,
    template,
    conversation_id: fc.oneof(fc.constant(''), FEW),
    agent_user_id: maybe(FEW),
    creator_user_id: maybe(free),
    submitter_user_id: maybe(free),
    scorecard_type: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(null, 0) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 }) },
    ),
    submission_source: maybe(fc.integer({ min: 0, max: 255 })),
    calibrated_scorecard_id: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom(null, '') },
      { weight: 1, arbitrary: name },
    ),
    score: maybe(double),
    comment: maybe(free),
    createdUs: nearUs,
    laterUs: fc.constantFrom(0, 1, DAY_US),
    submitted_at: maybe(near),
  })
  .map(({ template: t, createdUs, laterUs, ...rest }) => ({
    ...rest,
    template_id: t.resource_id,
    template_revision: t.revision,
    created_at: written(createdUs),
    updated_at: written(createdUs + laterUs),
  }));

const score = fc.record({
  resource_id: fc.tuple(name, fc.integer({ min: 0, max: 9 })).map(([n, i]) => `${n}${i}`),
  scorecard_id: name,
  criterion_identifier: criterion,
  numeric_value: maybe(double),
  text_value: maybe(free),
  weight: maybe(double),
  not_applicable: fc.boolean(),
  ai_scored: fc.boolean(),
  ai_value: maybe(double),
});

const TABLES = {
  'app.users': unique(fc.record({ user_id: FEW, is_dev_user: fc.boolean() }), (r) => r.user_id, 6),
  'app.chats': unique(
    fc.record({
      conversation_id: FEW,
      agent_user_id: maybe(FEW),
      started_at: anyTime,
      ended_at: maybe(anyTime),
      language: maybe(free),
      metadata: fc.constant({}),
    }),
    (r) => r.conversation_id,
    8,
    2,
  ),
  'director.scorecard_templates': unique(
    fc.record({ template, type: fc.integer({ min: 0, max: 255 }), structure }).map(({ template: t, ...rest }) => ({
      ...t,
      ...rest,
      status: 1,
      title: '',
      audience: {},
      created_at: '2026-01-01T00:00:00Z',
    })),
    (r) => `${r.resource_id}/${r.revision}`,
    6,
    2,
  ),
  'director.scorecards': unique(card, (r) => r.resource_id, 12, 1),
  'director.scores': unique(score, (r) => r.resource_id, 30, 4),
} as const;

export type Rows = readonly Readonly<Record<string, unknown>>[];
export type Database = Readonly<Record<keyof typeof TABLES, Rows>>;

export const database: fc.Arbitrary<Database> = fc.record(TABLES, { noNullPrototype: true });

/** Tenants with names that have to be quoted everywhere. */
export const TENANTS = [
  { customer: 'acme', profile: 'eu' },
  { customer: `o'hare \\ co`, profile: 'a.b"c' },
  { customer: 'ü\u{1F600}', profile: ':from' },
  { customer: `x'; DROP TABLE director.scores; --`, profile: '{}' },
] as const;

/** What is wrong in the target before a run, one for each row that should be there, over and over. */
export const WRONGS = ['none', 'missing', 'stale', 'other_key', 'twice', 'moved', 'old_version'] as const;
export type Wrong = (typeof WRONGS)[number];
export const wrongs: fc.Arbitrary<Wrong[]> = fc.array(fc.constantFrom(...WRONGS), { minLength: 1, maxLength: 9 });
