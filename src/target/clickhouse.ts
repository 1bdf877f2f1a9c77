import type { Readable } from 'node:stream';
import { type ClickHouseClient, ClickHouseLogLevel, type ClickHouseSettings, createClient } from '@clickhouse/client';
import type { ClickHouseConfig } from '../config/config.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import { clickhouseError } from './errors.ts';

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
}

/** Sent with every read: what a person's profile says about these would change what is counted. */
const READ_SETTINGS: ClickHouseSettings = {
  // Parallel replicas were seen to count rows 16 to 35 times.
  enable_parallel_replicas: 0,
  max_parallel_replicas: '1',
  // A shard that does not answer is an error: what is counted without it is not the truth.
  skip_unavailable_shards: 0,
  // A replica that is slow is waited for: our reads are heavy, and a second replica would do them once more.
  use_hedged_requests: 0,
  // Conditions on columns outside of the sorting key must not be applied before FINAL has chosen the newest row.
  optimize_move_to_prewhere_if_final: 0,
  // Merges never cross partitions, so neither does FINAL: what a merge would not collapse is counted twice.
  do_not_merge_across_partitions_select_final: 1,
  // Rows are counted as they are, unless a statement says FINAL.
  final: 0,
  // Rows that a lightweight delete has masked are gone, for us as for all readers.
  apply_deleted_mask: 1,
  output_format_json_quote_64bit_integers: 1,
  // What canonical lines are made with.
  format_tsv_null_representation: '\\N',
  output_format_tsv_crlf_end_of_line: 0,
  max_execution_time: 0,
};

/** Sent with every insert: a profile that skips what it cannot read, or reads it loosely, would lose rows. */
const ROW_SETTINGS: ClickHouseSettings = {
  input_format_allow_errors_num: '0',
  input_format_allow_errors_ratio: 0,
  input_format_tsv_detect_header: 0,
  input_format_tsv_skip_first_lines: '0',
  input_format_tsv_empty_as_default: 0,
  // NULL where none is expected is an error, not a default.
  input_format_null_as_default: 0,
};

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
  const target: Target = {
    rows: <Row>(sql: string, bindings: Readonly<Record<string, Binding>> = {}, settings: ClickHouseSettings = {}) =>
      guarded(async () => {
        const result = await client.query({
          query: sql,
          format: 'JSONEachRow',
          query_params: { ...bindings },
          clickhouse_settings: { ...READ_SETTINGS, ...settings },
        });
        return result.json<Row>();
      }),
    stream: (sql, bindings = {}, settings = {}) =>
      guarded(async () => {
        const result = await client.exec({
          query: `${sql} FORMAT TabSeparated`,
          query_params: { ...bindings },
          clickhouse_settings: { ...READ_SETTINGS, ...settings },
        });
        return result.stream;
      }),
    text: (sql) =>
      guarded(async () => {
        let answer = '';
        for await (const chunk of (await client.exec({ query: sql })).stream) answer += String(chunk);
        return answer.trim();
      }),
    command: (sql, settings = {}) =>
      guarded(async () => {
        await client.command({ query: sql, clickhouse_settings: settings });
      }),
    insert: (sql, body, queryId, settings = {}) =>
      guarded(async () => {
        const result = await client.exec({
          query: sql,
          values: body,
          query_id: queryId,
          clickhouse_settings: {
            // An acknowledgement means written, not queued.
            async_insert: 0,
            wait_end_of_query: 1,
            // A block that was inserted before and deleted since must not be dropped as a repetition.
            insert_deduplicate: 0,
            // Through several shards, too, an acknowledgement means written: on each of them.
            distributed_foreground_insert: 1,
            skip_unavailable_shards: 0,
            max_execution_time: 0,
            ...ROW_SETTINGS,
            ...settings,
          },
        });
        for await (const chunk of result.stream) void chunk;
      }),
  };
  return { target, close: () => client.close() };
}
