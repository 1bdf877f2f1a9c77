import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** The last lines of a server's log, for an error about its start; such logs hold no rows yet. */
export function logTail(file: string, bytes = 1500): string {
  try {
    const log = openSync(file, 'r');
    try {
      const { size } = fstatSync(log);
      const buffer = Buffer.alloc(Math.min(size, bytes));
      readSync(log, buffer, 0, buffer.length, size - buffer.length);
      return buffer.toString('utf8').trim();
    } finally {
      closeSync(log);
    }
  } catch {
    return '';
  }
}
