import type { EmbeddedInfo } from '../embedded/info.ts';
import type { Range, TenantName } from '../domain/words.ts';
import type { Cli } from './cli.ts';
import { countingView } from './progress.ts';

/** Sizes of sample data, smallest first. */
export const SAMPLE_SIZES = ['small', 'tenant', 'shells'] as const;
export type SampleSize = (typeof SAMPLE_SIZES)[number];

export function isSampleSize(size: string): size is SampleSize {
  return SAMPLE_SIZES.some((known) => known === size);
}

/** What a sample holds that a person goes on with. */
export interface Sample {
  readonly size: SampleSize;
  readonly tenant: TenantName;
  /** Its name on both sides. */
  readonly database: string;
  readonly range: Range;
  readonly seconds: number;
}

/** Fills the servers of `refill up` with sample data, and says how far it is. */
export async function fillSample(
  cli: Cli,
  info: EmbeddedInfo,
  options: { readonly size: SampleSize; readonly seed: number | null; readonly quiet: boolean },
): Promise<Sample> {
  const { makeSample } = await import('../embedded/sample/make.ts');
  const view = countingView(cli, options.quiet);
  try {
    const made = await makeSample({
      postgres: info.postgres,
      clickhouse: { url: info.clickhouse.http, user: info.clickhouse.user, password: info.clickhouse.password },
      size: options.size,
      // A sample that is there is made anew; what is no sample is refused.
      replace: true,
      ...(options.seed === null ? {} : { seed: options.seed }),
      onProgress: (what) => view.show(`Sample data: ${what} …`),
    });
    const { customer, profile, database, size, range, durationMs } = made;
    return { size, tenant: { customer, profile }, database, range, seconds: durationMs / 1000 };
  } finally {
    view.end();
  }
}
