import type { Finding } from '../../domain/events.ts';
import { check } from '../../steps/doctor.ts';
import type { TemporalClient } from './client.ts';
import { clusterQueue, fleetQueue, SEARCH_ATTRIBUTES, versionOf } from './shared/names.ts';

export interface TemporalCheck {
  /** Opens the server's client. */
  readonly open: () => Promise<TemporalClient>;
  /** `host:port` */
  readonly address: string;
  readonly clusters: readonly string[];
  /** Whether search attributes that are missing are registered. */
  readonly fix: boolean;
  /** Of this program: workers of another one are named. */
  readonly version: string;
}

/** What `doctor` says of a Temporal server: whether it answers, what it has of ours, and who works on its queues. */
export async function checkTemporal({
  open,
  address,
  clusters,
  fix,
  version,
}: TemporalCheck): Promise<readonly Finding[]> {
  const { client, reached } = await checkServer('temporal', address, open);
  if (!client) return [reached];
  const findings = [reached, await checkAttributes(client, fix)];
  const { taskQueue } = client.settings;
  for (const queue of [fleetQueue(taskQueue), ...clusters.map((cluster) => clusterQueue(taskQueue, cluster))])
    findings.push(await checkQueue(client, queue, version));
  return findings;
}

export interface TheirCheck extends Pick<TemporalCheck, 'open' | 'address'> {
  /** Of the workers that derive rows. */
  readonly taskQueue: string;
}

/** What `doctor` says of the Temporal server of a re-indexer: whether it answers, and who derives rows there. */
export async function checkTheirs({ open, address, taskQueue }: TheirCheck): Promise<readonly Finding[]> {
  const { client, reached } = await checkServer('re-indexer', address, open);
  if (!client) return [reached];
  const { finding, pollers } = await lookAtQueue(client, taskQueue);
  return [reached, pollers.length === 0 ? warning(finding, 'start the workers of your workflow') : finding];
}

/** Without a client where it does not answer, or has no such namespace. */
async function checkServer(name: string, address: string, open: TemporalCheck['open']) {
  let client: TemporalClient | undefined;
  const reached = await check(name, address, async () => {
    client = await open();
    const { version } = await client.look();
    return `reachable, server ${version}, namespace ${client.settings.namespace}`;
  });
  return { client: reached.level === 'error' ? undefined : client, reached };
}

/** Runs go on without them, and without workers they wait: only operators miss something, or a run that is begun. */
const warning = (finding: Finding, remedy: string): Finding => ({ ...finding, level: 'warning', remedy });

async function checkAttributes(client: TemporalClient, fix: boolean): Promise<Finding> {
  let missing: readonly string[] = [];
  const finding = await check('search attributes', client.settings.address, async () => {
    const made = fix ? await client.registerAttributes() : [];
    if (made.length > 0) return `registered: ${made.join(', ')}`;
    missing = await client.missingAttributes();
    return missing.length > 0 ? `missing: ${missing.join(', ')}` : SEARCH_ATTRIBUTES.join(', ');
  });
  if (finding.level === 'ok' && missing.length === 0) return finding;
  const byHand = `temporal operator search-attribute create --namespace ${client.settings.namespace} --name NAME --type Keyword`;
  return warning(finding, `refill doctor --fix, or for each: ${byHand}`);
}

async function checkQueue(client: TemporalClient, queue: string, version: string): Promise<Finding> {
  const { finding, pollers } = await lookAtQueue(client, queue);
  if (pollers.length === 0) return warning(finding, 'start one beside the databases: refill worker');
  if (pollers.every((name) => versionOf(name) === version)) return finding;
  const message = `${finding.message}; this program is ${version}`;
  return warning({ ...finding, message }, 'deploy workers of one version, one after another');
}

async function lookAtQueue(client: TemporalClient, queue: string) {
  let pollers: readonly string[] = [];
  const finding = await check('workers', queue, async () => {
    pollers = await client.pollers(queue);
    return pollers.length === 0
      ? `none takes work from task queue ${queue}`
      : `${pollers.length} at work: ${pollers.join(', ')}`;
  });
  return { finding, pollers };
}
