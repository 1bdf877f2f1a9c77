// Bundles the workflows of dist into one file, which workers load: bundling at each start would take them some seconds.
// A part of `npm run build`.
import { writeFile } from 'node:fs/promises';
import { bundleWorkflows } from '../dist/executors/temporal/bundle.js';

const { code } = await bundleWorkflows();
// Its source map names the files of the machine that it was made on; the SDK wants to find one, and gets an empty one.
const map = { version: 3, file: 'workflow-bundle.js', sources: [], names: [], mappings: '' };
const base64 = Buffer.from(JSON.stringify(map)).toString('base64');
const bare = code.replace(
  /(\/\/# sourceMappingURL=data:application\/json;(?:charset=utf-8;)?base64,)[\w+/=]+/u,
  (_, prefix) => `${prefix}${base64}`,
);
await writeFile(new URL('../dist/executors/temporal/workflow-bundle.js', import.meta.url), bare);
