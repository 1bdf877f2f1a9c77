// Writes config.schema.json from the compiled schema: `npm run build && node scripts/config-schema.mjs`.
// With --check it writes nothing and fails where the file is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import { configJsonSchemaText } from '../dist/config/json-schema.js';

const file = new URL('../config.schema.json', import.meta.url);
const text = configJsonSchemaText();

if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (readFileSync(file, 'utf8') !== text) {
  process.stderr.write('config.schema.json is out of date: npm run build && node scripts/config-schema.mjs\n');
  process.exitCode = 1;
}
