import type { Finding } from '../../domain/events.ts';
import { RefillError } from '../../domain/errors.ts';
import { check } from '../../steps/doctor.ts';
import type { TemporalClient } from './client.ts';
import { clusterQueue, fleetQueue, SEARCH_ATTRIBUTES } from './shared/names.ts';

export interface TemporalCheck {
  /** Opens the server's client. */
  readonly open: () => Promise<TemporalClient>;
  /** `host:port` */
  readonly address: string;
  readonly clusters: readonly string[];
  /** Whether search attributes that are missing are registered. */
  readonly fix: boolean;
}

/** What `doctor` says of a Temporal server: whether it answers, what it has of ours, and who works on its queues. */
export async function checkTemporal({ open, address, clusters, fix }: TemporalCheck): Promise<readonly Finding[]> {
  let client: TemporalClient | undefined;
  const reached = await check('temporal', address, async () => {
    client = await open();
    const { version } = await client.look();
    return `reachable, server ${version}, namespace ${client.settings.namespace}`;
  });
  if (!client || reached.level === 'error') return [reached];
  const findings = [reached, await checkAttributes(client, fix)];
  const { taskQueue } = client.settings;
  for (const queue of [fleetQueue(taskQueue), ...clusters.map((cluster) => clusterQueue(taskQueue, cluster))])
    findings.push(await checkQueue(client, queue));
  return findings;
}

async function checkAttributes(client: TemporalClient, fix: boolean): Promise<Finding> {
  const subject = client.settings.address;
  const finding = await check('search attributes', subject, async () => {
    const missing = fix ? [] : await client.missingAttributes();
    const made = fix ? await client.registerAttributes() : [];
    if (missing.length > 0) throw new RefillError('TEMPORAL_FAILED', `missing: ${missing.join(', ')}`);
    return made.length > 0 ? `registered: ${made.join(', ')}` : SEARCH_ATTRIBUTES.join(', ');
  });
  if (finding.level === 'ok') return finding;
  // Runs go on without them: only operators miss something.
  const { namespace } = client.settings;
  const remedy = `refill doctor --fix, or for each: temporal operator search-attribute create --namespace ${namespace} --name NAME --type Keyword`;
  return { ...finding, level: 'warning', remedy };
}

async function checkQueue(client: TemporalClient, queue: string): Promise<Finding> {
  const finding = await check('workers', queue, async () => {
    const pollers = await client.pollers(queue);
    if (pollers.length === 0) throw new RefillError('TEMPORAL_FAILED', 'no worker takes work from it');
    return `${pollers.length} at work: ${pollers.join(', ')}`;
  });
  return finding.level === 'ok'
    ? finding
    : { ...finding, level: 'warning', remedy: 'start one beside the databases: refill worker' };
}
