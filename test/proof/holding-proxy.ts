import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';

/** A request as it came, whole. */
interface Held {
  readonly url: string;
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** A way to ClickHouse that can hold a statement: its sender loses the connection, and it arrives when that is asked for. */
export class HoldingProxy {
  readonly #server: Server;
  readonly #target: string;
  readonly #held: Held[] = [];
  #text: string | undefined;

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((asked, answer) => void this.#pass(asked, answer));
  }

  /** A proxy that ends with the test. */
  static async to(target: string): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(target);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => {
      proxy.#server.closeAllConnections();
      proxy.#server.close();
    });
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  }

  /** Holds the next statement with this text. */
  holdNext(text: string): void {
    this.#text = text;
  }

  /** Statements that are held. */
  get held(): number {
    return this.#held.length;
  }

  /** Passes on what is held, and returns what the server says to each. */
  async release(): Promise<readonly string[]> {
    return await Promise.all(this.#held.splice(0).map((held) => this.#send(held).then(textOf)));
  }

  async #pass(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    try {
      const body = await bodyOf(asked);
      const { url = '/', method = 'GET', headers } = asked;
      const held = { url, method, headers, body };
      if (
        this.#text !== undefined &&
        `${decodeURIComponent(url.replaceAll('+', ' '))} ${body.toString()}`.includes(this.#text)
      ) {
        this.#text = undefined;
        this.#held.push(held);
        asked.socket.destroy();
        return;
      }
      const got = await this.#send(held);
      answer.writeHead(got.statusCode ?? 500, got.headers);
      got.pipe(answer);
    } catch {
      asked.socket.destroy();
    }
  }

  #send({ url, method, headers, body }: Held): Promise<IncomingMessage> {
    const { 'transfer-encoding': _, ...rest } = headers;
    return new Promise((resolve, reject) => {
      const sent = request(
        `${this.#target}${url}`,
        { method, headers: { ...rest, 'content-length': body.length } },
        resolve,
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

async function bodyOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function textOf(answer: IncomingMessage): Promise<string> {
  return `${answer.statusCode} ${(await bodyOf(answer)).toString()}`;
}
