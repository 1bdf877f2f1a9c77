import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { arch, platform } from 'node:os';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';

import { RefillError } from '../../src/domain/errors.ts';
import { clickhousePackage } from '../../src/embedded/packages.ts';

/** Of Debian's libzookeeper-java: the server, which names the others that it needs, and what prints its log. */
export const ZOOKEEPER_JARS = ['/usr/share/java/zookeeper.jar', '/usr/share/java/slf4j-simple.jar'];

/** launch.c knows this build of the engine by heart and no other: 26.7.3-stable.1. */
const ENGINE_SHA256 = '36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5';

const INSTALL = 'apt-get install -y --no-install-recommends gcc libc6-dev default-jre-headless libzookeeper-java';

interface Missing {
  readonly why: string;
  /** Whether installing something helps. */
  readonly fixable: boolean;
}

/** Why no cluster can be launched on this machine, or undefined where one can. */
export function notHere(): Missing | undefined {
  const here = `${platform()}-${arch()}`;
  if (here !== 'linux-x64') {
    return { why: `the launcher is for linux-x64, this is ${here}; REFILL_TEST_CLUSTER_URLS works`, fixable: false };
  }
  const missing = [
    ...['gcc', 'java'].filter((program) => !isOnPath(program)),
    ...ZOOKEEPER_JARS.filter((jar) => !existsSync(jar)),
  ];
  if (missing.length > 0) return { why: `${missing.join(' and ')} missing (${INSTALL})`, fixable: true };
  try {
    clickhousePackage();
    return undefined;
  } catch (error) {
    if (error instanceof RefillError) return { why: error.message, fixable: true };
    throw error;
  }
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((dir) => dir !== '' && existsSync(join(dir, program)));
}

let checked: Promise<string> | undefined;

/** libchdb.so, of the one build that can be launched. */
export async function engineLibrary(): Promise<string> {
  checked ??= checkedLibrary();
  return await checked;
}

async function checkedLibrary(): Promise<string> {
  const { library } = clickhousePackage();
  const hash = createHash('sha256');
  await pipeline(createReadStream(library, { highWaterMark: 1 << 20 }), hash);
  const sha256 = hash.digest('hex');
  if (sha256 === ENGINE_SHA256) return library;
  throw new Error(`${library} is a build that launch.c does not know (sha256 ${sha256}): its offsets have to follow`);
}

/** Compiles launch.c to `file`. */
export async function compileLauncher(file: string): Promise<void> {
  await promisify(execFile)('gcc', ['-O1', '-o', file, join(import.meta.dirname, 'launch.c'), '-ldl']);
}
