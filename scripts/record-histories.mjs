// Records the histories of this version's workflows into test/temporal/histories: `npm run build && node
// scripts/record-histories.mjs ADDRESS NAMESPACE WORKFLOW-ID…`. Done at a release, of workflows that released code has
// run; test/temporal/replay.test.ts replays them with the code of today. A name is never written again: what was
// released stays what it was.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

const [address, namespace, ...ids] = process.argv.slice(2);
if (!address || !namespace || ids.length === 0) {
  process.stderr.write('usage: node scripts/record-histories.mjs ADDRESS NAMESPACE WORKFLOW-ID…\n');
  process.exit(2);
}

const folder = new URL('../test/temporal/histories/', import.meta.url);
mkdirSync(folder, { recursive: true });
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const connection = await Connection.connect({ address });
const client = new Client({ connection, namespace });
for (const id of ids) {
  const handle = client.workflow.getHandle(id);
  const { type, status } = await handle.describe();
  const name = `${version}-${type}-${status.name.toLowerCase()}-${ids.indexOf(id) + 1}.json`;
  const file = new URL(name, folder);
  if (existsSync(file)) throw new Error(`${name} is there already`);
  // Workers and clients are named after their machines. Only these: a short name may occur anywhere in a payload.
  const text = historyToJSON(await handle.fetchHistory()).replace(/("identity":\s*")[^"]*"/gu, '$1worker"');
  writeFileSync(file, `${text}\n`);
  process.stdout.write(`${name}\n`);
}
await connection.close();
