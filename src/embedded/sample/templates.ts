import { mix } from './shape.ts';

interface Item {
  readonly identifier: string;
  readonly chapter?: boolean;
  readonly weight?: number;
  readonly items?: readonly Item[];
}

/** A template revision, and what it says about its criteria. */
export interface SampleTemplate {
  readonly templateId: string;
  readonly revision: string;
  readonly type: 1 | 2;
  readonly status: 1 | 2 | 3;
  readonly title: string;
  readonly structure: { readonly items: readonly Item[] };
  readonly audience: Readonly<Record<string, unknown>>;
  readonly createdAt: string;
  /** Whether scorecards without a conversation use it. */
  readonly process: boolean;
  readonly leaves: readonly string[];
  readonly chapters: readonly string[];
}

const TITLES = [
  'Service call',
  'Sales call',
  'Chat etiquette',
  'Refunds',
  'Complaint handling',
  'Identity check',
  'Retention',
  'Onboarding',
  'Technical support',
  'Closing',
  'Voice of the customer',
  'Compliance',
];
const PROCESS_TITLES = ['Weekly desk review', 'Back office audit', 'Training assessment', 'Shadowing'];
/** More than any scorecard has scores, so that a scorecard never needs a criterion twice. */
const MIN_LEAVES = 14;

/** All revisions of all templates. */
export function sampleTemplates(seed: number): SampleTemplate[] {
  const templates: SampleTemplate[] = [];
  for (const [process, titles] of [
    [false, TITLES],
    [true, PROCESS_TITLES],
  ] as const) {
    titles.forEach((title, i) => {
      const id = mix(seed, i + (process ? 500 : 100));
      const revisions = 2 + (mix(id, 1) % 3);
      for (let r = 0; r < revisions; r++) templates.push(template(title, id, r, revisions, process, i));
    });
  }
  return templates;
}

function template(
  title: string,
  id: number,
  r: number,
  revisions: number,
  process: boolean,
  i: number,
): SampleTemplate {
  const items = structure(id, r);
  const { leaves, chapters } = criteria(items);
  const last = r === revisions - 1;
  return {
    templateId: `tpl-${hex(id)}`,
    revision: hex(mix(id, r + 10)),
    // The first template was a process template once: its type is the revision's, not the template's.
    type: process || (i === 0 && r === 0) ? 2 : 1,
    status: last ? 1 : r === 0 ? 3 : 2,
    title: r === 0 ? title : `${title} v${r + 1}`,
    structure: { items },
    audience: i % 3 === 1 ? { languages: ['en', 'es'] } : {},
    createdAt: new Date(Date.UTC(2025, 8 + r, 1 + (i % 27), 10)).toISOString(),
    process,
    leaves,
    chapters,
  };
}

/**
 * Chapters with criteria, chapters in chapters, a chapter without anything, criteria outside of any chapter. `c03` is a
 * criterion in a template's first revision and a chapter from then on.
 */
function structure(id: number, r: number): Item[] {
  const count = MIN_LEAVES + (mix(id, r) % 5);
  const leaf = (n: number): Item => {
    const identifier = `c${String(n).padStart(2, '0')}`;
    const weight = mix(id, n) % 4;
    return weight === 0 ? { identifier } : { identifier, chapter: false, weight };
  };
  const leaves = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => leaf(from + n));
  return [
    { identifier: 'k1', chapter: true, items: leaves(4, 7) },
    {
      identifier: 'k2',
      chapter: true,
      items: [
        leaf(7),
        {
          identifier: 'k2.1',
          chapter: true,
          items: [{ identifier: 'k2.1.1', chapter: true, items: leaves(8, 10) }, leaf(10)],
        },
      ],
    },
    { identifier: 'k3', chapter: true, items: [] },
    r === 0 ? { identifier: 'c03' } : { identifier: 'c03', chapter: true, items: [leaf(1), leaf(2)] },
    ...leaves(11, 11 + count - (r === 0 ? 8 : 9)),
  ];
}

function criteria(items: readonly Item[]): { leaves: string[]; chapters: string[] } {
  const found = { leaves: new Array<string>(), chapters: new Array<string>() };
  const visit = (item: Item) => {
    (item.chapter === true ? found.chapters : found.leaves).push(item.identifier);
    item.items?.forEach(visit);
  };
  items.forEach(visit);
  // Sorted as Postgres's index sorts them: scores come in the index's order and it is built in one pass.
  found.leaves.sort();
  return found;
}

function hex(n: number): string {
  return n.toString(16).padStart(8, '0');
}
