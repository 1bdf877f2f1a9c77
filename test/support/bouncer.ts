import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { unprivilegedAccount } from '../../src/embedded/unprivileged.ts';
import { freePort } from '../ledger/postgres.ts';

export type PoolMode = 'session' | 'transaction' | 'statement';

const BINARY = 'pgbouncer';
const INSTALLED = spawnSync(BINARY, ['--version']).status === 0;

/** Why tests of poolers are skipped; undefined where they run. In CI a missing pooler fails them. */
export const WITHOUT_BOUNCER: string | undefined =
  INSTALLED || process.env['CI'] === 'true'
    ? undefined
    : 'pgbouncer is not installed (Debian: apt-get install pgbouncer)';

/** The Postgres that a pooler leads to. */
export interface Behind {
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/** A real PgBouncer of one test. It takes any user, and is another one to Postgres. */
export class Bouncer {
  readonly port: number;
  readonly #dir: string;
  readonly #behind: Behind;
  readonly #settings: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(port: number, dir: string, behind: Behind, settings: readonly string[]) {
    [this.port, this.#dir, this.#behind, this.#settings] = [port, dir, behind, settings];
  }

  /** @param settings More lines of its configuration, such as `default_pool_size = 1`. */
  static async start(mode: PoolMode, behind: Behind, settings: readonly string[] = []): Promise<Bouncer> {
    const bouncer = new Bouncer(await freePort(), await mkdtemp(join(tmpdir(), 'refill-bouncer-')), behind, settings);
    await bouncer.#configure(mode);
    const account = unprivilegedAccount();
    if (account) await chown(bouncer.#dir, account.uid, account.gid);
    await chmod(bouncer.#dir, 0o755);
    const child = spawn(BINARY, [join(bouncer.#dir, 'pgbouncer.ini')], { stdio: 'ignore', cwd: '/', ...account });
    bouncer.#child = child;
    onTestFinished(async () => {
      if (child.exitCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await rm(bouncer.#dir, { recursive: true, force: true });
    });
    await bouncer.#answers();
    return bouncer;
  }

  /** Another pool mode, for all sessions from now on: those that are there are given back at the end of a transaction. */
  async change(mode: PoolMode): Promise<void> {
    await this.#configure(mode);
    this.#child?.kill('SIGHUP');
  }

  async #configure(mode: PoolMode): Promise<void> {
    const { port, user, password } = this.#behind;
    const lines = [
      '[databases]',
      `* = host=127.0.0.1 port=${port} user=${user} password=${password}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${this.port}`,
      'unix_socket_dir =',
      'auth_type = any',
      `pool_mode = ${mode}`,
      'max_client_conn = 100',
      ...this.#settings,
    ];
    const file = join(this.#dir, 'pgbouncer.ini');
    await writeFile(file, `${lines.join('\n')}\n`);
    await chmod(file, 0o644);
  }

  /** Waits for its port only: whether its Postgres answers is what a test may be about. */
  async #answers(): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      const socket = connect(this.port, '127.0.0.1');
      const thrown: unknown = await once(socket, 'connect').then(
        () => null,
        (error: unknown) => error,
      );
      socket.destroy();
      if (thrown === null) return;
      if (tries === 100) throw thrown;
      await sleep(100);
    }
  }
}
