import { resolve } from 'node:path';

import { Command, Option } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import type { BackfillReport, FleetReport, Refill, RunDetails } from '../../refill.ts';
import type { ReportFormat } from '../../report/report.ts';
import type { ReportInput } from '../../report/summary.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { isBackfill, isFleet } from '../request.ts';
import { withRefill } from '../session.ts';

/** What a report is of, and how it is written. */
interface Readable {
  readonly of: 'run' | 'fleet' | 'backfill';
  readonly id: string;
  readonly write: (format: ReportFormat) => string;
  readonly json: () => unknown;
}

async function read(refill: Refill, id: string | undefined): Promise<Readable> {
  if (isFleet(id)) return fleet(await refill.fleetReport(id));
  if (isBackfill(id)) return backfill(refill, await refill.backfillReport(id));
  const { jsonReport, writeReport } = await import('../../report/report.ts');
  const input = await withMutations(refill, await refill.status(id));
  return {
    of: 'run',
    id: input.run.id,
    write: (format) => writeReport(input, format),
    json: () => jsonReport(input),
  };
}

async function fleet(report: FleetReport): Promise<Readable> {
  const { fleetJson, writeFleetReport } = await import('../../report/report.ts');
  return {
    of: 'fleet',
    id: report.fleet.id,
    write: (format) => writeFleetReport(report, format),
    json: () => fleetJson(report),
  };
}

async function backfill(refill: Refill, { reindex, ...report }: BackfillReport): Promise<Readable> {
  const { backfillJson, writeBackfillReport } = await import('../../report/report.ts');
  const input = { ...report, reindex: reindex === null ? null : await withMutations(refill, reindex) };
  return {
    of: 'backfill',
    id: report.backfill.id,
    write: (format) => writeBackfillReport(input, format),
    json: () => backfillJson(input),
  };
}

async function withMutations(refill: Refill, details: RunDetails): Promise<ReportInput> {
  return { ...details, mutations: await (await refill.ledger()).mutations(details.run.id) };
}

async function writeTo(cli: Cli, file: string, text: string): Promise<void> {
  const [{ writeFile }, { redact }] = await Promise.all([import('node:fs/promises'), import('../../domain/redact.ts')]);
  try {
    await writeFile(resolve(cli.cwd, file), redact(text));
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
    throw new RefillError('USAGE', `${file} cannot be written${code}`, {
      cause,
      hint: 'Name a file in a directory that exists and that you may write to.',
    });
  }
}

/** The format that the options ask for. Throws `USAGE` if they ask for two. */
function formatOf({
  json,
  format,
  output,
}: {
  readonly json?: true | undefined;
  readonly format?: ReportFormat | undefined;
  readonly output?: string | undefined;
}): ReportFormat {
  const extension = output?.split('.').at(-1)?.toLowerCase() ?? '';
  const byName = ['html', 'htm'].includes(extension) ? 'html' : extension === 'json' ? 'json' : undefined;
  const asked = format ?? byName;
  if (json === true && asked !== undefined && asked !== 'json') {
    const what = format === undefined ? `--output ${output ?? ''}` : `--format ${format}`;
    throw new RefillError('USAGE', `${what} and --json were given`, {
      hint: 'Give one of them: --json is the report as JSON.',
    });
  }
  return json === true ? 'json' : (asked ?? 'markdown');
}

/** `refill report` */
export function reportCommand(cli: Cli) {
  return new Command('report')
    .summary('the evidence of a run, as Markdown, HTML or JSON')
    .description(
      'Writes everything that is known of a run: counts, windows, deletes, proofs, every difference with its reason, and who did what. HTML is one file, with a chart by day. A fleet and a backfill are reported by their ids.',
    )
    .argument('[run]', 'id of a run, a fleet or a backfill (default: the newest run)')
    .addOption(
      new Option(
        '--format <name>',
        'markdown, html or json (default: markdown, or what the name of --output says)',
      ).choices(['markdown', 'html', 'json'] as const),
    )
    .option('--output <file>', 'write a file instead of printing')
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill report', 'the newest run, as Markdown'],
        ['refill report r-7k2m9xq0bd --output run.html', 'this one, as a page to send to somebody'],
        ['refill report f-7k2m9xq0bd', 'a fleet: the results by cluster and by tenant'],
        ['refill report b-7k2m9xq0bd', 'a backfill: what was judged, written and re-indexed'],
      ]),
    )
    .action((run, options) => {
      const { output } = options;
      const format = formatOf(options);
      return withRefill(cli, options, async (refill) => {
        const input = await read(refill, run);
        if (output !== undefined) {
          await writeTo(cli, output, input.write(format));
          if (options.json === true) cli.json({ [input.of]: input.id, output, format });
          else cli.note(`Report of ${input.of} ${input.id} written to ${output} (${format}).`);
        } else if (format === 'json') cli.json(input.json());
        else cli.print(input.write(format).trimEnd());
      });
    });
}
