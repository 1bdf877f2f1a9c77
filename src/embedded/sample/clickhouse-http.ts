import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { RefillError } from '../../domain/errors.ts';
import { authorization } from '../clickhouse-access.ts';

export interface ClickHouseAddress {
  readonly url: string;
  /** Default `default`. */
  readonly user?: string;
  readonly password?: string;
  /** The database of names without one. */
  readonly database?: string;
}

const ERROR_LIMIT = 500;

/** One statement over HTTP, with rows streamed in where they are given. The answer as text. */
export async function clickhouse(address: ClickHouseAddress, sql: string, rows?: Readable): Promise<string> {
  const url = new URL(address.url);
  // The answer comes when all is done: else an error could follow a status of 200.
  const settings = { wait_end_of_query: '1', join_use_nulls: '1', database: address.database ?? 'default' };
  // The statement is the body, unless the body is its rows.
  url.search = new URLSearchParams(rows === undefined ? settings : { query: sql, ...settings }).toString();
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const request = send(url, {
    method: 'POST',
    headers: { authorization: authorization({ name: address.user ?? 'default', password: address.password ?? '' }) },
  });
  const answer = new Promise<string>((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.once('error', reject);
      response.once('end', () => {
        if (response.statusCode === 200) return resolve(text);
        // Invented rows, so they may be quoted.
        reject(new RefillError('CH_QUERY', `the sample could not be made: ${text.slice(0, ERROR_LIMIT)}`));
      });
    });
  });
  // The server may refuse, and close, before all is sent: then its answer is the better error.
  const [sent, received] = await Promise.allSettled([pipeline(rows ?? Readable.from([sql]), request), answer]);
  if (received.status === 'rejected') throw received.reason;
  if (sent.status === 'rejected') throw sent.reason;
  return received.value;
}
