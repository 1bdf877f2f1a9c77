import { format } from 'prettier';
import type { REFUSED, Subject } from './subjects.ts';

const cell = (text: string) => text.replaceAll('|', '\\|');
const code = (text: string) => (text === '' ? 'nothing' : `\`${cell(text)}\``);
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** docs/types.md, of what both servers said. */
export async function typesPage(
  subjects: readonly Subject[],
  refusals: readonly (readonly string[])[],
  refused: typeof REFUSED,
): Promise<string> {
  const exact = subjects.map((s, n) => [
    code(s.pg),
    code(s.written),
    code(s.ch),
    refusals[n]?.map(cell).join('; ') || 'nothing',
  ]);
  const never = refused.map((r) => [code(r.pg), code(r.written), code(r.ch)]);
  const page = `<!-- Written by test/proof/types.test.ts from what both servers answer: do not edit.
     REFILL_WRITE_DOCS=1 npx vitest run --config vitest.proof.config.ts test/proof/types.test.ts writes it again. -->

# Types

What goes exactly from Postgres to ClickHouse, and what is refused. \`…\` is the dataset's expression for the column.

- **Exact** means: the value that ClickHouse holds is the value that Postgres has, NULL and the empty value told apart where the target's type can, and a proof notices every other value.
- A value in the last column ends the window with that error. The error names the column and never the value. Nothing of the window stays.
- \`-0\` counts as \`0\`: Refill writes \`0\`, and a proof does not tell the two apart. NaN is equal to NaN.
- \`timestamp\` is cut to the target's precision, not rounded. \`float\` takes the nearest number that the target's type has.
- The order of a Map's entries is not compared. A lower bound of an array other than 1 is not kept.
- Every type can be \`Nullable\` or \`LowCardinality\` where ClickHouse allows it. \`ifNull: null\` keeps NULL; without it NULL becomes the type's empty value.
- A domain counts as the type that it is made of. Below, \`mood\` is an enum, \`small\` a domain over \`integer\`, and \`place\` a composite type.

## Exact

${table(['Postgres', 'kind', 'ClickHouse', 'refused values'], exact)}

## Refused by \`refill doctor\` and \`refill plan\`

These are \`DATASET_INVALID\`. The error names the column, the type and what to do: another kind, a cast in the expression, another type of the target, or an entry under \`unproven\`.

${table(['Postgres', 'kind', 'ClickHouse'], never)}
`;
  return format(page, { parser: 'markdown', printWidth: 120, proseWrap: 'preserve' });
}
