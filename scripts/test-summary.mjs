// What the tests of several commands came to, from the files that Vitest's `json` reporter wrote: how many ran, and why each
// that failed did. At the end of a long log that is what one looks for first: node scripts/test-summary.mjs FILE…
import { readFileSync } from 'node:fs';
import { basename, relative } from 'node:path';

/** Lines of a message: enough to see what was expected and what was there. */
const MESSAGE_LINES = 40;

let [passed, failed, skipped] = [0, 0, 0];
for (const file of process.argv.slice(2)) {
  const result = read(file);
  if (result === null) {
    failed += 1;
    console.log(`no result in ${basename(file)}`);
    continue;
  }
  passed += result.numPassedTests;
  failed += result.numFailedTests;
  skipped += result.numPendingTests;
  for (const { name, status, message, assertionResults } of result.testResults) {
    const tests = assertionResults.filter((test) => test.status === 'failed');
    for (const { fullName, failureMessages } of tests)
      tell(`${shortOf(name)} > ${fullName}`, failureMessages.join('\n'));
    // A file that did not get so far as to have tests.
    if (status === 'failed' && tests.length === 0) {
      failed += 1;
      tell(shortOf(name), message);
    }
  }
}
console.log(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped`);

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

function shortOf(file) {
  return relative(process.cwd(), file);
}

function tell(title, message) {
  const lines = message.split('\n');
  const more = lines.length > MESSAGE_LINES ? [`… ${lines.length - MESSAGE_LINES} lines more`] : [];
  console.log([`FAILED ${title}`, ...lines.slice(0, MESSAGE_LINES), ...more].join('\n  '));
}
