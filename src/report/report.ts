import { fleetHtml, fleetJson, fleetMarkdown } from './fleet.ts';
import { htmlReport } from './html.ts';
import { jsonReport } from './json.ts';
import { markdownReport } from './markdown.ts';
import type { FleetReport } from '../refill.ts';
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

const FLEET_WRITERS = {
  markdown: fleetMarkdown,
  html: fleetHtml,
  json: (report: FleetReport) => `${JSON.stringify(fleetJson(report), null, 2)}\n`,
};

/** A fleet as a page (or an object) of the given format, ending with a line feed. */
export function writeFleetReport(report: FleetReport, format: ReportFormat): string {
  return FLEET_WRITERS[format](report);
}

export { fleetJson, jsonReport };
