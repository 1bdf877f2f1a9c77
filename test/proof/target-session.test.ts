import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EmbeddedInfo } from '../../src/embedded/info.ts';
import { removeEmbedded, startEmbedded } from '../../src/embedded/stack.ts';
import { openTarget } from '../../src/target/clickhouse.ts';
import { PINS } from '../../src/target/settings.ts';
import { ended, thrown } from '../support/cards.ts';
import { openBench } from '../support/bench.ts';
import { preflight } from '../../src/steps/preflight.ts';
import { createShop, DAYS, rowsOf } from './shop.ts';

// A profile of Refill's user that changes what a statement counts, writes or deletes. Every setting that Refill pins is
// given a hostile value here, once for the user to change and once so that it may not.

/** Of every pinned setting, a value that would make a result wrong or a statement fail. */
const HOSTILE: Readonly<Record<string, string>> = {
  compatibility: '22.3',
  limit: '3',
  offset: '1',
  additional_result_filter: '0',
  additional_table_filters: "{'purchase': '0'}",
  max_result_rows: '2',
  max_result_bytes: '10',
  result_overflow_mode: 'break',
  max_rows_to_read: '5',
  max_bytes_to_read: '50',
  read_overflow_mode: 'break',
  max_rows_to_read_leaf: '5',
  max_bytes_to_read_leaf: '50',
  read_overflow_mode_leaf: 'break',
  max_execution_time: '1',
  timeout_overflow_mode: 'break',
  max_execution_time_leaf: '1',
  timeout_overflow_mode_leaf: 'break',
  final: '1',
  use_query_cache: '1',
  max_columns_to_read: '1',
  max_temporary_columns: '1',
  max_temporary_non_const_columns: '1',
  max_query_size: '200',
  max_ast_elements: '60',
  max_expanded_ast_elements: '60',
  dialect: 'prql',
  session_timezone: 'Asia/Tokyo',
  transform_null_in: '1',
  cast_keep_nullable: '1',
  enable_positional_arguments: '0',
  prefer_column_name_to_alias: '1',
  output_format_json_quote_64bit_integers: '0',
  output_format_json_quote_64bit_floats: '1',
  output_format_json_quote_decimals: '1',
  output_format_json_array_of_rows: '1',
  output_format_json_named_tuples_as_objects: '0',
  output_format_json_validate_utf8: '1',
  format_tsv_null_representation: 'nothing',
  output_format_tsv_crlf_end_of_line: '1',
  output_format_decimal_trailing_zeros: '1',
  date_time_output_format: 'unix_timestamp',
  bool_true_representation: 'yes',
  bool_false_representation: 'no',
  max_rows_to_group_by: '1',
  group_by_overflow_mode: 'any',
  max_rows_to_sort: '1',
  max_bytes_to_sort: '1',
  sort_overflow_mode: 'break',
  max_rows_in_distinct: '1',
  max_bytes_in_distinct: '1',
  distinct_overflow_mode: 'break',
  max_rows_in_set: '1',
  max_bytes_in_set: '1',
  set_overflow_mode: 'break',
  max_rows_in_join: '1',
  max_bytes_in_join: '1',
  join_overflow_mode: 'break',
  max_rows_to_transfer: '1',
  max_bytes_to_transfer: '1',
  transfer_overflow_mode: 'break',
  partial_result_on_first_cancel: '1',
  extremes: '1',
  allow_experimental_analyzer: '0',
  group_by_use_nulls: '1',
  join_use_nulls: '1',
  aggregate_functions_null_for_empty: '1',
  empty_result_for_aggregation_by_empty_set: '1',
  count_distinct_implementation: 'uniq',
  use_query_condition_cache: '1',
  enable_parallel_replicas: '1',
  max_parallel_replicas: '3',
  parallel_replicas_count: '2',
  parallel_replica_offset: '1',
  skip_unavailable_shards: '1',
  optimize_skip_unused_shards: '1',
  distributed_group_by_no_merge: '1',
  use_hedged_requests: '1',
  optimize_move_to_prewhere_if_final: '1',
  do_not_merge_across_partitions_select_final: '0',
  apply_deleted_mask: '0',
  apply_mutations_on_fly: '1',
  apply_patch_parts: '0',
  ignore_cold_parts_seconds: '86400',
  max_partitions_to_read: '1',
  async_insert: '1',
  distributed_foreground_insert: '0',
  insert_distributed_one_random_shard: '1',
  insert_shard_id: '1',
  insert_deduplicate: '1',
  insert_deduplication_token: 'always the same',
  max_partitions_per_insert_block: '1',
  materialized_views_ignore_errors: '1',
  input_format_allow_errors_num: '1000000',
  input_format_allow_errors_ratio: '1',
  input_format_record_errors_file_path: 'errors',
  input_format_tsv_detect_header: '1',
  input_format_tsv_skip_first_lines: '7',
  input_format_tsv_skip_trailing_empty_lines: '1',
  input_format_tsv_allow_variable_number_of_columns: '1',
  input_format_tsv_crlf_end_of_line: '1',
  input_format_tsv_enum_as_number: '1',
  input_format_tsv_empty_as_default: '1',
  input_format_ipv4_default_on_conversion_error: '1',
  input_format_ipv6_default_on_conversion_error: '1',
  input_format_null_as_default: '1',
  input_format_defaults_for_omitted_fields: '0',
  date_time_input_format: 'best_effort_us',
  mutations_sync: '2',
  alter_update_mode: 'lightweight_force',
  mutations_execute_nondeterministic_on_initiator: '1',
  mutations_execute_subqueries_on_initiator: '1',
  implicit_transaction: '1',
};

/** Settings that are not pinned by name, and yet must not have these values. */
const OTHERS: Readonly<Record<string, string>> = {
  force_primary_key: '1',
  force_index_by_date: '1',
  output_format_float_precision: '2',
  output_format_trim_fixed_string: '1',
  output_format_always_write_decimal_point_in_float_and_decimal: '1',
  output_format_json_escape_forward_slashes: '0',
  date_time_overflow_behavior: 'saturate',
  insert_null_as_default: '0',
  optimize_on_insert: '0',
  join_default_strictness: 'ANY',
  any_join_distinct_right_table_keys: '1',
  union_default_mode: 'DISTINCT',
  distributed_product_mode: 'local',
  short_circuit_function_evaluation: 'disable',
  throw_if_no_data_to_insert: '0',
  optimize_trivial_count_query: '0',
  optimize_use_projections: '0',
  use_skip_indexes: '0',
};

/** What an administrator may decide, so that it is left as it is. */
const THEIRS = {
  max_memory_usage: '3000000000',
  max_threads: '1',
  log_comment: 'theirs',
  insert_quorum_timeout: '1000',
};

const password = 'of a test';
const named = (index: number) => `fixed_${index}`;
const pinned = Object.keys(PINS);

let stack: EmbeddedInfo;
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'refill-session-'));
  const grants = ['GRANT ALL ON *.*'];
  stack = await startEmbedded({
    dir,
    attached: true,
    temporary: true,
    clickhouseUsers: [
      { name: 'hostile', password, settings: { ...OTHERS, ...HOSTILE, ...THEIRS } },
      ...pinned.map((name, index) => ({
        name: named(index),
        password,
        settings: { [name]: HOSTILE[name] ?? '' },
        fixed: [name],
      })),
      // Constants that are what Refill wants, or none of its business.
      {
        name: 'agreeing',
        password,
        settings: { final: '0', ...THEIRS },
        fixed: ['final', 'max_result_rows', 'max_memory_usage'],
      },
      { name: 'foreign', password, settings: { optimize_on_insert: '0' }, fixed: ['optimize_on_insert'] },
      { name: 'reader1', password, settings: { readonly: '1' }, grants },
      { name: 'reader2', password, settings: { readonly: '2' }, grants },
    ],
  });
});
afterAll(() => removeEmbedded(stack.dir));

async function sessionAs(user: string) {
  const opened = openTarget({ urls: [stack.clickhouse.http], user, password, compress: 'auto' });
  try {
    return await opened.any.session();
  } finally {
    await opened.close();
  }
}

test('every pinned setting has a hostile value here, and no other has', () => {
  expect(Object.keys(HOSTILE).sort()).toEqual([...pinned].sort());
  expect(Object.entries(HOSTILE).filter(([name, value]) => PINS[name] === value)).toEqual([]);
});

test('the hostile profile is one: without pins it makes this user see nothing right', async () => {
  const client = createClient({ url: stack.clickhouse.http, username: 'hostile', password });
  const asked = client.query({
    query: 'SELECT number FROM numbers(10)',
    format: 'TabSeparated',
    clickhouse_settings: { dialect: 'clickhouse', implicit_transaction: 0, use_query_cache: 0 },
  });
  expect((await (await asked).text()).split('\n').length).toBeLessThan(5);
  await client.close();
});

describe.each(['purge', 'replace'] as const)('a %s by a user whose profile is hostile in every setting', (strategy) => {
  test('counts, writes, deletes and proves what is there', async () => {
    const dataset = strategy === 'replace' ? { tables: ['purchase'] } : {};
    const t = await createShop({ stack, targetUser: { name: 'hostile', password } });
    const plan = await t.refill.plan({ tenant: t.name, range: DAYS, strategy, ...dataset });
    expect(plan.counts).toMatchObject([
      { source: 276, target: 276 },
      ...(strategy === 'purge' ? [{ source: 276, target: 276 }] : []),
    ]);
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0, rowsDeleted: strategy === 'purge' ? 552 : 276 });
    const after = await rowsOf(t);
    expect(after).toMatchObject({
      purchases: '320',
      old: '44',
      ...(strategy === 'purge' ? { lines: '300', oldLines: '24' } : {}),
    });
    const verified = await t.refill.verify({ tenant: t.name, range: DAYS, ...dataset });
    expect(verified).toMatchObject({
      ok: true,
      tables: [{ source: 276, target: 276 }, ...(strategy === 'purge' ? [{}] : [])],
    });
    // What the profile says of resources is kept.
    const { statement } = await sessionAs('hostile');
    expect(Object.keys(statement).filter((name) => name in THEIRS)).toEqual([]);
    expect(Object.entries(OTHERS).filter(([name]) => !(name in statement))).toEqual([]);
  });
});

test.each(pinned)('a profile that forbids %s is refused with its name', async (name) => {
  const error = await thrown(() => sessionAs(named(pinned.indexOf(name))));
  expect(error).toMatchObject({ code: 'CH_SETTING_FORBIDDEN', exit: 3, action: 'refuse' });
  expect(String(error)).toMatch(new RegExp(`\\b${name}\\b`, 'u'));
});

describe('plan and doctor', () => {
  test('refuse a profile with a constant before anything is changed, and name it', async () => {
    const t = await createShop({ stack, targetUser: { name: named(pinned.indexOf('max_result_rows')), password } });
    const before = await rowsOf(t);
    expect(await thrown(() => t.refill.plan({ tenant: t.name, range: DAYS }))).toMatchObject({
      code: 'CH_SETTING_FORBIDDEN',
      message: expect.stringContaining('max_result_rows'),
    });
    expect(JSON.stringify(await t.refill.doctor())).toContain('max_result_rows');
    expect(await rowsOf(t)).toEqual(before);
  });

  test('find a user that may only read', async () => {
    for (const [name, code] of [
      ['reader1', 'CH_SETTING_FORBIDDEN'],
      ['reader2', 'CH_USER_READ_ONLY'],
    ] as const) {
      const t = await createShop({ stack, targetUser: { name, password } });
      const error = await thrown(() => t.refill.plan({ tenant: t.name, range: DAYS }));
      expect(error).toMatchObject({ code });
      expect(String(error)).toContain(`readonly = ${name.slice(-1)}`);
      expect(JSON.stringify(await t.refill.doctor())).toContain(`readonly = ${name.slice(-1)}`);
    }
  });

  test('a user that may only read can verify, where it may set what decides the result', async () => {
    const t = await createShop({ stack, targetUser: { name: 'reader2', password } });
    expect(await t.refill.verify({ tenant: t.name, range: DAYS })).toMatchObject({ ok: false });
  });

  test('accept constants that are as Refill wants them, and what is an administrator’s business', async () => {
    const t = await createShop({ stack, targetUser: { name: 'agreeing', password } });
    const plan = await t.refill.plan({ tenant: t.name, range: DAYS });
    expect((await ended(t.refill.run(plan.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
  });

  test('warn of a constant that Refill knows nothing of', async () => {
    const t = await createShop({ stack, targetUser: { name: 'foreign', password } });
    expect(await preflight(await openBench(t))).toContainEqual(
      expect.objectContaining({
        check: 'settings',
        level: 'warning',
        message: expect.stringContaining('optimize_on_insert = 0'),
      }),
    );
  });
});
