import type { Readable } from 'node:stream';

const NEWLINE = 10;
const TAB = 9;

/** A line of COPY's text where it lies: `bytes[start, end)`, its newline left out. */
export type OnLine = (bytes: Buffer, start: number, end: number) => void;

/**
 * Splits chunks into lines without copying them, except for the one that a chunk's end cuts. A newline inside of a value
 * is escaped, so every newline ends a line.
 */
export class LineSplitter {
  #rest: Buffer | undefined;

  /** Calls back for every line that is whole now. The bytes are valid during the call only. */
  push(chunk: Buffer, onLine: OnLine): void {
    let bytes = chunk;
    if (this.#rest) {
      bytes = Buffer.concat([this.#rest, chunk]);
      this.#rest = undefined;
    }
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      onLine(bytes, start, end);
      start = end + 1;
    }
    if (start < bytes.length) this.#rest = bytes.subarray(start);
  }
}

/** Where the fields of a line begin; the last entry is one past its end. */
export function fieldStarts(bytes: Buffer, start: number, end: number): number[] {
  const starts = [start];
  for (let at = start; at < end; at += 1) if (bytes[at] === TAB) starts.push(at + 1);
  starts.push(end + 1);
  return starts;
}

/** Lines of a stream, some at a time. */
export async function readLines(stream: Readable, onLine: OnLine): Promise<void> {
  const splitter = new LineSplitter();
  for await (const chunk of stream as AsyncIterable<Buffer>) splitter.push(chunk, onLine);
}
