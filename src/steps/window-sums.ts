import { versionInstant } from '../domain/versions.ts';
import type { Instant, Range } from '../domain/words.ts';
import type { SourceSums } from '../ledger/ledger.ts';
import { withSnapshot } from '../source/postgres.ts';
import { namingColumn } from './misfit.ts';
import { sourceSums } from './reindex.ts';
import type { Workbench } from './workbench.ts';

/** The source's side of a window's proof, with the snapshot that it was read in; nothing is written. */
export async function windowSums(
  bench: Workbench,
  window: Range,
): Promise<{ readonly snapshot: Instant; readonly sums: readonly SourceSums[] }> {
  return withSnapshot(bench.source, async (snapshot) => {
    const sums: SourceSums[] = [];
    for (const table of bench.tables)
      sums.push(await namingColumn(bench, table, window, () => sourceSums(bench, table, snapshot, window)));
    return { snapshot: versionInstant(snapshot.time), sums };
  });
}
