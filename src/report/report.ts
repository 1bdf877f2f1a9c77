import { backfillJson, type BackfillInput, backfillPage } from './backfill.ts';
import { fleetJson, fleetPage } from './fleet.ts';
import { htmlReport } from './html.ts';
import { jsonReport } from './json.ts';
import { markdownReport } from './markdown.ts';
import { htmlPage, markdownPage } from './page.ts';
import type { FleetReport } from '../refill.ts';
import type { ReportInput } from './summary.ts';

const text = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

const WRITERS = {
  markdown: markdownReport,
  html: htmlReport,
  json: (input: ReportInput) => text(jsonReport(input)),
};

/** How a report can be written. */
export type ReportFormat = keyof typeof WRITERS;

/** A run as a page (or an object) of the given format, ending with a line feed. */
export function writeReport(input: ReportInput, format: ReportFormat): string {
  return WRITERS[format](input);
}

const PAGES = { markdown: markdownPage, html: htmlPage };

/** The same of a fleet. */
export function writeFleetReport(report: FleetReport, format: ReportFormat): string {
  return format === 'json' ? text(fleetJson(report)) : PAGES[format](fleetPage(report));
}

/** The same of a backfill. */
export function writeBackfillReport(report: BackfillInput, format: ReportFormat): string {
  return format === 'json' ? text(backfillJson(report)) : PAGES[format](backfillPage(report));
}

export { backfillJson, fleetJson, jsonReport };
