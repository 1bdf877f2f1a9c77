import { connect, createServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** What becomes of the next such statement: the connection is cut before it arrives, or after it was done and before its answer. */
export type Cut = 'before' | 'after';

/** A way to a server that can break as networks do. */
export class Proxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>();
  #cut: { readonly text: string; readonly when: Cut; passes: number } | undefined;
  #refusing = false;
  /** Refuse connections from the moment of a cut on. */
  refuseAfterCut = false;
  /** Statements that were cut. */
  cuts = 0;

  private constructor(target: number, change: ((sent: string) => string) | undefined) {
    this.#server = createServer((client) => this.#accept(client, target, change));
  }

  /**
   * A proxy that ends with the test.
   *
   * @param change What it makes of each packet that a client sends, one character a byte; as long as it was.
   */
  static async to(target: number, change?: (sent: string) => string): Promise<Proxy> {
    const proxy = new Proxy(target, change);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(async () => {
      proxy.breakAll();
      await new Promise((resolve) => {
        proxy.#server.close(resolve);
      });
    });
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  cutNextCommit(when: Cut): void {
    this.cutNext('COMMIT\0', when);
  }

  /** @param passes How many such statements pass before the one that is cut. */
  cutNext(text: string, when: Cut, passes = 0): void {
    this.#cut = { text, when, passes };
  }

  /** Ends all connections, and new ones as soon as they are made. */
  goAway(): void {
    this.#refusing = true;
    this.breakAll();
  }

  comeBack(): void {
    this.#refusing = false;
  }

  breakAll(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#pairs.clear();
  }

  /** Swallows everything on the connections that there are, and tells nobody. New ones work. */
  freeze(): void {
    for (const [client, server] of this.#pairs) {
      client.removeAllListeners('data').on('data', () => {});
      server.removeAllListeners('data').on('data', () => {});
    }
  }

  #accept(client: Socket, target: number, change: ((sent: string) => string) | undefined): void {
    if (this.#refusing) {
      client.destroy();
      return;
    }
    const server = connect(target, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    const cut = () => {
      this.cuts += 1;
      if (this.refuseAfterCut) this.#refusing = true;
      end();
    };
    client.on('data', (data) => {
      if (this.#cut !== undefined && data.includes(this.#cut.text) && this.#cut.passes-- <= 0) {
        const { when } = this.#cut;
        this.#cut = undefined;
        if (when === 'before') {
          cut();
          return;
        }
        server.removeAllListeners('data').once('data', cut);
      }
      server.write(change ? Buffer.from(change(data.toString('latin1')), 'latin1') : data);
    });
    server.on('data', (data) => client.write(data));
  }
}
