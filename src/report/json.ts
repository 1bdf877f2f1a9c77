import { failures, tableSummaries, type ReportInput } from './summary.ts';

/** A run as one object for programs: everything that is known of it, with the sums by table. */
export function jsonReport(input: ReportInput): Readonly<Record<string, unknown>> {
  return {
    run: input.run,
    tables: tableSummaries(input),
    unproven: input.plan.unproven,
    failures: failures(input),
    drift: input.drift,
    windows: input.windows,
    deletes: input.deletes,
    mutations: input.mutations ?? null,
    proofs: input.proofs,
    audit: input.audit,
    plan: input.plan,
  };
}
