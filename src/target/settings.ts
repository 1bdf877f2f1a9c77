/**
 * The settings that every statement of ours carries. A profile, a role or a server's default may set any of them, and
 * each can change what is counted, written or deleted without an error. What is not in this list is set to the server's
 * own default by the session (session.ts), unless `isOurs` says that it is no business of ours.
 */

/** What shapes any answer, system tables included. Every ClickHouse that Refill works with knows them. */
const SHAPE = {
  // First, as it changes the defaults of others.
  compatibility: '',
  limit: '0',
  offset: '0',
  additional_result_filter: '',
  additional_table_filters: '{}',
  max_result_rows: '0',
  max_result_bytes: '0',
  result_overflow_mode: 'throw',
  max_rows_to_read: '0',
  max_bytes_to_read: '0',
  read_overflow_mode: 'throw',
  max_rows_to_read_leaf: '0',
  max_bytes_to_read_leaf: '0',
  read_overflow_mode_leaf: 'throw',
  max_execution_time: '0',
  timeout_overflow_mode: 'throw',
  max_execution_time_leaf: '0',
  timeout_overflow_mode_leaf: 'throw',
  // A limit that cuts an answer off without an error makes a wrong count; one that throws stops a run for nothing.
  max_rows_to_group_by: '0',
  group_by_overflow_mode: 'throw',
  max_rows_to_sort: '0',
  max_bytes_to_sort: '0',
  sort_overflow_mode: 'throw',
  max_rows_in_distinct: '0',
  max_bytes_in_distinct: '0',
  distinct_overflow_mode: 'throw',
  max_rows_in_set: '0',
  max_bytes_in_set: '0',
  set_overflow_mode: 'throw',
  max_rows_in_join: '0',
  max_bytes_in_join: '0',
  join_overflow_mode: 'throw',
  max_rows_to_transfer: '0',
  max_bytes_to_transfer: '0',
  transfer_overflow_mode: 'throw',
  final: '0',
  use_query_cache: '0',
  max_columns_to_read: '0',
  max_temporary_columns: '0',
  max_temporary_non_const_columns: '0',
  // Lists of keys make long statements.
  max_query_size: '262144',
  max_ast_elements: '50000',
  max_expanded_ast_elements: '500000',
  // How literals and names are understood.
  dialect: 'clickhouse',
  session_timezone: '',
  transform_null_in: '0',
  cast_keep_nullable: '0',
  implicit_transaction: '0',
  enable_positional_arguments: '1',
  prefer_column_name_to_alias: '0',
  // What our JSON and TabSeparated are read with.
  output_format_json_quote_64bit_integers: '1',
  output_format_json_quote_64bit_floats: '0',
  output_format_json_quote_decimals: '0',
  output_format_json_array_of_rows: '0',
  output_format_json_named_tuples_as_objects: '1',
  output_format_json_validate_utf8: '0',
  format_tsv_null_representation: '\\N',
  output_format_tsv_crlf_end_of_line: '0',
  output_format_decimal_trailing_zeros: '0',
  date_time_output_format: 'simple',
  bool_true_representation: 'true',
  bool_false_representation: 'false',
} as const;

/** What is counted, and of which rows. */
const COUNTS = {
  partial_result_on_first_cancel: '0',
  extremes: '0',
  // Two analyzers, of which one may understand a statement in another way.
  allow_experimental_analyzer: '1',
  // NULLs and empty answers.
  group_by_use_nulls: '0',
  join_use_nulls: '0',
  aggregate_functions_null_for_empty: '0',
  empty_result_for_aggregation_by_empty_set: '0',
  count_distinct_implementation: 'uniqExact',
  // An answer of before, whatever has been deleted and written since.
  use_query_condition_cache: '0',
  // Parallel replicas were seen to count rows 16 to 35 times.
  enable_parallel_replicas: '0',
  max_parallel_replicas: '1',
  parallel_replicas_count: '0',
  parallel_replica_offset: '0',
  // A shard that does not answer is an error: what is counted without it is not the truth.
  skip_unavailable_shards: '0',
  // Rows may lie on a shard that is not theirs; they count all the same.
  optimize_skip_unused_shards: '0',
  distributed_group_by_no_merge: '0',
  // A replica that is slow is waited for: our reads are heavy, and a second replica would do them once more.
  use_hedged_requests: '0',
  // Conditions on columns outside of the sorting key must not be applied before FINAL has chosen the newest row.
  optimize_move_to_prewhere_if_final: '0',
  // Merges never cross partitions, so neither does FINAL: what a merge would not collapse is counted twice.
  do_not_merge_across_partitions_select_final: '1',
  // Rows that a lightweight delete has masked are gone, for us as for all readers; those of a mutation that has not
  // reached a part are still there.
  apply_deleted_mask: '1',
  apply_mutations_on_fly: '0',
  apply_patch_parts: '1',
  ignore_cold_parts_seconds: '0',
  max_partitions_to_read: '-1',
} as const;

/** A profile that skips what it cannot read, or reads it loosely, would lose rows. */
const ROWS = {
  // An acknowledgement means written, not queued, and through several shards, too: on each of them.
  async_insert: '0',
  distributed_foreground_insert: '1',
  insert_distributed_one_random_shard: '0',
  insert_shard_id: '0',
  // A block that was inserted before and deleted since must not be dropped as a repetition.
  insert_deduplicate: '0',
  insert_deduplication_token: '',
  // A window of many partitions is legal.
  max_partitions_per_insert_block: '0',
  // A view that fails has not got the rows: that is an error of the insert.
  materialized_views_ignore_errors: '0',
  input_format_allow_errors_num: '0',
  input_format_allow_errors_ratio: '0',
  input_format_record_errors_file_path: '',
  input_format_tsv_detect_header: '0',
  input_format_tsv_skip_first_lines: '0',
  input_format_tsv_skip_trailing_empty_lines: '0',
  input_format_tsv_allow_variable_number_of_columns: '0',
  input_format_tsv_crlf_end_of_line: '0',
  input_format_tsv_enum_as_number: '0',
  input_format_tsv_empty_as_default: '0',
  input_format_ipv4_default_on_conversion_error: '0',
  input_format_ipv6_default_on_conversion_error: '0',
  // NULL where none is expected is an error, not a default.
  input_format_null_as_default: '0',
  input_format_defaults_for_omitted_fields: '1',
  date_time_input_format: 'basic',
} as const;

/** What becomes of an `ALTER TABLE … DELETE` or `UPDATE`, and of a statement that ends others. */
const CHANGES = {
  // An engine whose default is to wait would block a call for as long as the mutation takes.
  mutations_sync: '0',
  // A delete is a mutation, which has an id and can be waited for; not a patch part, which has none.
  alter_update_mode: 'heavy',
  mutations_execute_nondeterministic_on_initiator: '0',
  mutations_execute_subqueries_on_initiator: '0',
} as const;

/** Sent with what asks for the settings themselves. */
export const FIRST_PINS: Readonly<Record<string, string>> = SHAPE;
/** Sent with a statement that has no result: `ON CLUSTER` hands all of them to servers that may be older. */
export const COMMAND_PINS: Readonly<Record<string, string>> = { ...SHAPE, ...CHANGES };
/** Sent with everything else. All of them, so that what a profile forbids is found by the first statement, a read. */
export const PINS: Readonly<Record<string, string>> = { ...SHAPE, ...COUNTS, ...ROWS, ...CHANGES };

/**
 * Settings of which an administrator decides, and which cannot change a result: resources, networks, disks, logs, how
 * durable an insert is. Everything else is set to the server's default.
 */
const LEFT_ALONE: readonly RegExp[] = [
  /^(?:log|send_logs|trace|query_profiler|memory_profiler|opentelemetry|os_|jemalloc|metrics_perf|calculate_text)/u,
  /^(?:s3|s3queue|azure|hdfs|iceberg|delta_lake|kafka|rabbitmq|mongodb|backup|restore|distributed_cache|postgresql|mysql|odbc|glob)_/u,
  /^(?:filesystem|remote_filesystem|local_filesystem|remote|storage_file|enable_filesystem|use_page_cache|page_cache|azure)_/u,
  /^(?:http|tcp|network|send|receive|connect|connection|connections|distributed_ddl|keeper|insert_keeper|poll|idle)_/u,
  /^(?:output_format|input_format)_(?:pretty|parquet|orc|arrow|avro|csv|xml|msgpack|protobuf|sql_insert|markdown|native|values|image|compression)/u,
  /^(?:max|min)_(?:\w+_)?(?:threads|memory\w*|block_size\w*|bandwidth\w*|buffer_size|connections|streams|compress_block_size)$/u,
  /_(?:timeout|timeout_ms|timeout_seconds|threads|retries|priority|pool_size|block_size|buffer_size|cache_size|bandwidth|max_wait_ms|backoff_ms)$/u,
  /^max_(?:untracked_memory|concurrent_queries|network|remote_read|local_read|local_write|remote_write|backup|sessions|temporary|alter_threads|partition_size_to_drop|table_size_to_drop|execution_speed)/u,
  /^max_(?:bytes|bytes_ratio|rows)_before_/u,
  /^(?:priority|workload|readonly|allow_ddl|load_balancing|prefer_localhost_replica|join_algorithm|max_final_threads|use_uncompressed_cache|insert_quorum|insert_quorum_parallel|select_sequential_consistency|min_execution_speed|default_table_engine|default_temporary_table_engine)$/u,
  /^(?:allow_suspicious|allow_experimental|allow_introspection|compile|min_count_to_compile|merge_tree|parts_to|number_of_mutations|group_by_two_level|skip_download|stop_refreshable|database_replicated)_/u,
];

/** Whether a setting is an administrator's own business. */
export function isOurs(name: string): boolean {
  return !LEFT_ALONE.some((pattern) => pattern.test(name));
}
