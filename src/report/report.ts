import { htmlReport } from './html.ts';
import { jsonReport } from './json.ts';
import { markdownReport } from './markdown.ts';
import type { ReportInput } from './summary.ts';

const WRITERS = {
  markdown: markdownReport,
  html: htmlReport,
  json: (input: ReportInput) => `${JSON.stringify(jsonReport(input), null, 2)}\n`,
};

/** How a report can be written. */
export type ReportFormat = keyof typeof WRITERS;

/** A run as a page (or an object) of the given format, ending with a line feed. */
export function writeReport(input: ReportInput, format: ReportFormat): string {
  return WRITERS[format](input);
}
