import type { Readable } from 'node:stream';
import { unescapeField } from '../dataset/key.ts';
import { LineSplitter } from '../source/lines.ts';

/** Rows of a TabSeparated stream as their fields, one byte a character: what is stored may be no text. */
export async function* readTargetLines(stream: Readable): AsyncGenerator<readonly string[]> {
  const splitter = new LineSplitter();
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const found: string[][] = [];
    splitter.push(chunk, (bytes, start, end) => {
      found.push(bytes.toString('latin1', start, end).split('\t').map(unescapeField));
    });
    yield* found;
  }
}
