// Records the histories of this version's workflows into test/temporal/histories: `npm run build && node
// scripts/record-histories.mjs ADDRESS NAMESPACE WORKFLOW-ID…`, or WORKFLOW-ID/RUN-ID for an execution that has continued as
// a new one. Done at a release, of workflows that released code has run, and after each new `patched()`;
// test/temporal/replay.test.ts replays them with the code of today, and says what has no history yet. A server with many is
// had by the tests: REFILL_TEST_TEMPORAL=127.0.0.1:7233 npm run test:temporal. A name is never written again: what was
// released stays what it was.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

const [address, namespace, ...ids] = process.argv.slice(2);
if (!address || !namespace || ids.length === 0) {
  process.stderr.write('usage: node scripts/record-histories.mjs ADDRESS NAMESPACE WORKFLOW-ID[/RUN-ID]…\n');
  process.exit(2);
}

const folder = new URL('../test/temporal/histories/', import.meta.url);
mkdirSync(folder, { recursive: true });
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const connection = await Connection.connect({ address });
const client = new Client({ connection, namespace });
for (const id of ids) {
  const handle = client.workflow.getHandle(...id.split('/'));
  const { type, status } = await handle.describe();
  const kind = `${version}-${type}-${status.name.toLowerCase().replaceAll('_', '-')}`;
  const text = withoutMachine(historyToJSON(await handle.fetchHistory()));
  const name = freeName(kind);
  writeFileSync(new URL(name, folder), `${text}\n`);
  process.stdout.write(`${name}\n`);
}
await connection.close();

/**
 * Workers, clients and sticky task queues are named after their machines, and stacks are of their directories. Only these:
 * a short name may occur anywhere in a payload.
 */
function withoutMachine(text) {
  return text
    .replace(/("identity":\s*")[^"]*"/gu, '$1worker"')
    .replace(/("name":\s*")\d+@[^"]*"/gu, '$1worker"')
    .replace(/("stackTrace":\s*")(?:[^"\\]|\\.)*"/gu, '$1"');
}

/** The first number that no file of this kind has. */
function freeName(kind, number = 1) {
  const name = `${kind}-${number}.json`;
  return existsSync(new URL(name, folder)) ? freeName(kind, number + 1) : name;
}
