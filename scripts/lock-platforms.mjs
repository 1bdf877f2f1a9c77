// Completes package-lock.json with the packages of other platforms.
//
// npm leaves an optional package out of the lockfile when the registry it asked does not carry it (mirrors often hold
// one platform's binaries only), and `npm ci` then calls the lockfile out of sync, on every machine. An entry with the
// exact version that the depending package asks for is all that `npm ci` needs: it is skipped by os and cpu elsewhere
// and fetched by name where it fits. Run it after every `npm install` that changes the lockfile.
import { readFileSync, writeFileSync } from 'node:fs';

const PLATFORM =
  /(?<os>android|darwin|freebsd|linux|openharmony|win32)-(?<cpu>arm64|arm|x64|ia32|ppc64|riscv64|s390x)(?:-(?<abi>\w+))?$/;
const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));

for (const dependent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(dependent.optionalDependencies ?? {})) {
    const platform = PLATFORM.exec(name)?.groups;
    // A range has no single version to write, and a package for every platform is never left out.
    if (!platform || !/^\d/.test(version) || lock.packages[`node_modules/${name}`]) continue;
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu: [platform.cpu],
      ...(dependent.dev ? { dev: true } : {}),
      ...(platform.os === 'linux' && platform.abi ? { libc: [platform.abi === 'musl' ? 'musl' : 'glibc'] } : {}),
      optional: true,
      os: [platform.os],
    };
    console.log(`added ${name} ${version}`);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
