import { createServer } from 'node:net';

import { RefillError } from '../domain/errors.ts';
import { LOOPBACK } from './info.ts';

/** A chosen port can be taken by somebody else before the server has it: so often a start is tried with others. */
export const PORT_ATTEMPTS = 3;

/** Whether a server could listen on this port of loopback now. */
export async function isFree(port: number): Promise<boolean> {
  return (await listen(port)) !== undefined;
}

/** A port that is free now. Somebody can take it before we do: whoever starts a server on it tries again then. */
export async function freePort(avoid: ReadonlySet<number>): Promise<number> {
  for (;;) {
    const port = await listen(0);
    if (port !== undefined && !avoid.has(port)) return port;
  }
}

async function listen(port: number): Promise<number | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    // Exclusive: within a cluster worker the parent's socket would say that every port is free.
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      const address = server.address();
      const taken = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(taken));
    });
  });
}

/** The wanted ports where they are free, else others; all different. */
export async function choosePorts(wanted: readonly (number | undefined)[]): Promise<number[]> {
  const taken = new Set<number>();
  for (const port of wanted) {
    const keep = port !== undefined && !taken.has(port) && (await isFree(port));
    taken.add(keep ? port : await freePort(new Set([...taken, ...wanted.filter((p) => p !== undefined)])));
  }
  return [...taken];
}

/** Whether a server did not start because somebody has its port: all of them say so in their logs, in like words. */
export function isPortTaken(error: unknown): boolean {
  if (!(error instanceof RefillError)) return false;
  const log = error.details['log'];
  return typeof log === 'string' && /address already in use/iu.test(log);
}
