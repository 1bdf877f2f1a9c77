// Writes scorer.openapi.json from the compiled contract: `npm run build && node scripts/openapi.mjs`.
// With --check it writes nothing and fails where the file is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import { scorerOpenApiText } from '../dist/scorers/openapi.js';

const file = new URL('../scorer.openapi.json', import.meta.url);
const text = scorerOpenApiText();

if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (readFileSync(file, 'utf8') !== text) {
  process.stderr.write('scorer.openapi.json is out of date: npm run build && node scripts/openapi.mjs\n');
  process.exitCode = 1;
}
