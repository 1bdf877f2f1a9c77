// Finds the `temporal` program that tests and `refill up --temporal` start a server with, or builds it into the cache:
// `node scripts/temporal.mjs`. It needs Go for that, and some minutes once. The order and the cache are those of
// src/embedded/temporal-binary.ts.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, renameSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Of the last release whose go.mod can be installed this way; its server is 1.29.1. */
const PACKAGE = 'github.com/temporalio/cli/cmd/temporal@v1.5.1';

const { env } = process;
const cache = env['REFILL_CACHE'] ?? join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'refill');
const found = [...(env['PATH'] ?? '').split(delimiter), cache].map((dir) => join(dir, 'temporal')).find(executable);

if (found) {
  console.log(`temporal is ${found}`);
} else {
  mkdirSync(cache, { recursive: true });
  console.log(`building ${PACKAGE} into ${cache}: some minutes, once`);
  const building = join(cache, 'building');
  mkdirSync(building, { recursive: true });
  execFileSync('go', ['install', PACKAGE], { stdio: 'inherit', env: { ...env, GOBIN: building } });
  // At once, so that a build that was broken off is never taken for the program.
  renameSync(join(building, 'temporal'), join(cache, 'temporal'));
  console.log(`temporal is ${join(cache, 'temporal')}`);
}

function executable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
