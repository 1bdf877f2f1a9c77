import type { Readable } from 'node:stream';
import { type ClickHouseClient, ClickHouseLogLevel, type ClickHouseSettings, createClient } from '@clickhouse/client';
import type { ClickHouseConfig } from '../config/config.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import { clickhouseError } from './errors.ts';
import { type ServerSetting, type Session, sessionOf, SETTINGS_STATEMENT } from './session.ts';
import { FIRST_PINS } from './settings.ts';

/** Where a target cluster is, with the password already resolved. */
export interface TargetAddress extends Omit<ClickHouseConfig, 'password'> {
  readonly password: string | undefined;
}

/** A value bound into `{name: Type}` of a statement. */
export type Binding = string | number | boolean | readonly string[] | readonly number[];

/** A way to a target cluster. */
export interface Target {
  /** Rows as objects; 64-bit numbers come as strings. */
  rows<Row>(sql: string, bindings?: Readonly<Record<string, Binding>>, settings?: ClickHouseSettings): Promise<Row[]>;
  /** Rows as TabSeparated text, streamed. */
  stream(sql: string, bindings?: Readonly<Record<string, Binding>>, settings?: ClickHouseSettings): Promise<Readable>;
  /** The answer to a statement that takes no FORMAT, as text. */
  text(sql: string): Promise<string>;
  /** A statement without a result. */
  command(sql: string, settings?: ClickHouseSettings): Promise<void>;
  /** An INSERT whose rows are `body`. Returns when the server has written them. */
  insert(sql: string, body: Readable, queryId: string, settings?: ClickHouseSettings): Promise<void>;
  /** With which settings statements are sent: the server is asked once. */
  session(): Promise<Session>;
}

function isLocal(url: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);
}

/** A target by its configured addresses. */
export interface OpenedTarget {
  /** Any address that answers: a statement goes to the one that answered last, and on to the next when it does not. */
  readonly any: Target;
  /** Each address by itself, in the configuration's order. */
  readonly addresses: readonly Target[];
  close(): Promise<void>;
}

/** Opens a target. Nothing is sent until the first statement. Errors of statements: the `CH_` codes. */
export function openTarget(address: TargetAddress): OpenedTarget {
  const addresses = address.urls.map((url) => openAddress(address, url));
  return {
    any: withFailover(addresses.map((a) => a.target)),
    addresses: addresses.map((a) => a.target),
    close: async () => {
      await Promise.all(addresses.map((a) => a.close()));
    },
  };
}

/**
 * One of several addresses of the same cluster. A read goes on to the next address by itself; what writes is not sent
 * twice: it fails, and whoever sent it knows how to repeat it, at the next address.
 */
function withFailover(targets: readonly Target[]): Target {
  let current = 0;
  const at = (index: number): Target => {
    const target = targets[index % targets.length];
    if (!target) throw new RefillError('BUG', 'a target without an address');
    return target;
  };
  const moveOn = (from: number, error: unknown): boolean => {
    if (asRefillError(error).code !== 'CH_UNREACHABLE') return false;
    // Another statement may have moved on already.
    if (current === from) current += 1;
    return true;
  };
  const read = async <T>(ask: (target: Target) => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries += 1) {
      const from = current;
      try {
        return await ask(at(from));
      } catch (error) {
        if (!moveOn(from, error) || tries >= targets.length) throw error;
      }
    }
  };
  const write = async (send: (target: Target) => Promise<void>): Promise<void> => {
    const from = current;
    try {
      await send(at(from));
    } catch (error) {
      moveOn(from, error);
      throw error;
    }
  };
  return {
    rows: (...args) => read((t) => t.rows(...args)),
    stream: (...args) => read((t) => t.stream(...args)),
    text: (...args) => read((t) => t.text(...args)),
    session: () => read((t) => t.session()),
    command: (...args) => write((t) => t.command(...args)),
    insert: (...args) => write((t) => t.insert(...args)),
  };
}

function openAddress(
  address: TargetAddress,
  url: string,
): { readonly target: Target; readonly close: () => Promise<void> } {
  const place = `ClickHouse ${new URL(url).host}`;
  const compress = address.compress === 'always' || (address.compress === 'auto' && !isLocal(url));
  const client: ClickHouseClient = createClient({
    url,
    username: address.user,
    password: address.password ?? '',
    application: 'refill',
    request_timeout: 24 * 3600 * 1000,
    // A connection that the server closed while it was idle is not used again.
    keep_alive: { enabled: true, idle_socket_ttl: 2000 },
    max_open_connections: 32,
    compression: { request: compress, response: compress },
    // Every error is thrown, and printed in one place; the client's own log would quote statements.
    log: { level: ClickHouseLogLevel.OFF },
  });
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw clickhouseError(error, place);
    }
  };
  const session = once(async () => {
    const asked = await client.query({
      query: SETTINGS_STATEMENT,
      format: 'JSONEachRow',
      clickhouse_settings: FIRST_PINS,
    });
    return sessionOf(await asked.json<ServerSetting>(), place);
  });
  const target: Target = {
    session: () => guarded(session),
    rows: <Row>(sql: string, bindings: Readonly<Record<string, Binding>> = {}, settings: ClickHouseSettings = {}) =>
      guarded(async () => {
        const result = await client.query({
          query: sql,
          format: 'JSONEachRow',
          query_params: { ...bindings },
          clickhouse_settings: { ...(await session()).statement, ...settings },
        });
        return result.json<Row>();
      }),
    stream: (sql, bindings = {}, settings = {}) =>
      guarded(async () => {
        const result = await client.exec({
          query: `${sql} FORMAT TabSeparated`,
          query_params: { ...bindings },
          clickhouse_settings: { ...(await session()).statement, ...settings },
        });
        return result.stream;
      }),
    text: (sql) =>
      guarded(async () => {
        const { stream } = await client.exec({ query: sql, clickhouse_settings: (await session()).statement });
        let answer = '';
        for await (const chunk of stream) answer += String(chunk);
        return answer.trim();
      }),
    command: (sql, settings = {}) =>
      guarded(async () => {
        await client.command({ query: sql, clickhouse_settings: { ...(await session()).command, ...settings } });
      }),
    insert: (sql, body, queryId, settings = {}) =>
      guarded(async () => {
        // An insert is answered when all of it is written.
        const waited = { ...(await session()).statement, wait_end_of_query: 1 } as const;
        const result = await client
          .exec({ query: sql, values: body, query_id: queryId, clickhouse_settings: { ...waited, ...settings } })
          .catch((error: unknown) => {
            // What has broken the body is no business of this server: the sender knows more of it.
            if (error === body.errored)
              throw new RefillError('BUG', `${place}: the rows ended early`, { cause: error });
            throw error;
          });
        for await (const chunk of result.stream) void chunk;
      }),
  };
  return { target, close: () => client.close() };
}

/** Asks once, and again where that has failed. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => {
    const asking = (asked ??= ask());
    asking.catch(() => {
      if (asked === asking) asked = undefined;
    });
    return asking;
  };
}
