import type { Refill } from '../refill.ts';
import { showBackfill } from './backfill.ts';
import type { Cli } from './cli.ts';
import type { Job } from './job.ts';
import type { ConfigOptions } from './session.ts';

/** Prints where a job is, as `refill status` does. */
export async function showJob(
  cli: Cli,
  refill: Refill,
  { of, id }: { readonly of: Job['of']; readonly id: string | undefined },
  options: ConfigOptions & { readonly json?: true | undefined },
): Promise<void> {
  if (of === 'backfill' && id !== undefined) {
    await showBackfill(cli, refill, id, options);
    return;
  }
  if (of === 'fleet' && id !== undefined) {
    const status = await refill.fleetStatus(id);
    const { fleetStatusJson, fleetStatusView } = await import('./views/fleet.ts');
    if (options.json === true) cli.json(fleetStatusJson(status));
    else cli.print(fleetStatusView(status, cli.color, options));
    return;
  }
  const details = await refill.status(id);
  const { statusJson, statusView } = await import('./views/status.ts');
  if (options.json === true) cli.json(statusJson(details));
  else cli.print(statusView(details, cli.color, options));
}
