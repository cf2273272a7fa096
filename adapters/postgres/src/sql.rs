//! The SQL statements, one file each in `sql/`, written for the schema `cqrs`.

use crate::schema::Schema;

/// Settings of each session of the store, which `transaction_settings.sql` repeats in transactions of handlers.
///
/// A statement is planned once per connection, perhaps while the tables are still empty. Reading a
/// whole table looks cheapest then, and is the most expensive plan later. So only index scans and
/// nested loops are left on. The planner charges a fine for a plan that it has to use all the same,
/// which would make parallel workers and JIT look worthwhile, so these are off as well.
///
/// Read committed, whatever the database's default: a statement that has waited for a lock must see
/// the commits that it waited for.
///
/// A process that stands still, or is cut off, may have locked the head. The server notices neither, so it
/// ends a transaction that is idle: all other processes wait for it.
pub(crate) const SESSION: &str = "\
    SET plan_cache_mode = force_generic_plan; \
    SET default_transaction_isolation = 'read committed'; \
    SET idle_in_transaction_session_timeout = '5s'; \
    SET enable_seqscan = off; \
    SET enable_hashjoin = off; \
    SET enable_mergejoin = off; \
    SET max_parallel_workers_per_gather = 0; \
    SET jit = off";

/// Settings for the statements that handlers record, until the transaction ends. They are planned as in
/// sessions of handlers, once per connection. The parameter is the longest time for which one of them waits
/// for a lock of another transaction, with its unit.
pub(crate) const STATEMENT_SETTINGS: &str = "\
    SELECT set_config('lock_timeout', $1, true), set_config('enable_seqscan', 'on', true), \
    set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true)";

/// Makes acknowledged commits durable, even if the server, the database or the role are configured
/// otherwise (I7). Stricter settings, which also wait for standbys, are kept.
pub(crate) const DURABLE: &str = "\
    SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') = 'off'";

/// A commit that waits for the disk, and with it for all commits before it, and for the standbys that
/// commits wait for. The message is what makes it wait: PostgreSQL does not wait for a transaction that
/// wrote nothing, even if that has an id. It is in the write-ahead log only, where plugins for logical
/// decoding ignore it unless they ask for messages.
pub(crate) const FLUSH: &str = "SELECT pg_logical_emit_message(true, 'cqrs', '')::text";

/// The server's process of a connection, and its start.
pub(crate) const BACKEND: &str =
    "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()";

/// Marks the beginning and the end of the part of `read_tagged` that is repeated for each tag.
const TAG_MARK: &str = "        -- tag\n";

/// Maximum number of tags of `read_tagged`.
pub(crate) const MAX_READ_TAGS: usize = 8;

macro_rules! statements {
    ($($name:ident),+ $(,)?) => {
        /// The statements for one schema.
        pub(crate) struct Sql {
            /// `read_tagged` for one tag, for two, and so on.
            pub(crate) read_tagged: Vec<String>,
            /// `append`, with rows of custom metadata.
            pub(crate) append_with_metadata: String,
            /// `append_all`, with rows of custom metadata.
            pub(crate) append_all_with_metadata: String,
            /// `append_all` in the transaction of a handler.
            pub(crate) append_in_transaction: String,
            /// The same, with rows of custom metadata.
            pub(crate) append_in_transaction_with_metadata: String,
            /// `append_one` in the transaction of a handler, with a record of the command.
            pub(crate) append_one_in_transaction: String,
            $(pub(crate) $name: String),+
        }

        impl Sql {
            pub(crate) fn new(schema: &Schema) -> Self {
                let read_tagged = include_str!("sql/read_tagged.sql");
                let append_all = include_str!("sql/append_all.sql");
                let all_with_metadata = with_metadata(append_all, 12);
                Self {
                    append_in_transaction: schema.apply(&append_in_transaction(append_all)),
                    append_in_transaction_with_metadata: schema
                        .apply(&append_in_transaction(&all_with_metadata)),
                    append_one_in_transaction: schema.apply(&append_in_transaction(&with_record(
                        include_str!("sql/append_one.sql"),
                    ))),
                    append_with_metadata: schema
                        .apply(&with_metadata(include_str!("sql/append.sql"), 8)),
                    append_all_with_metadata: schema.apply(&all_with_metadata),
                    read_tagged: (1..=MAX_READ_TAGS)
                        .map(|tags| schema.apply(&self::read_tagged(read_tagged, tags)))
                        .collect(),
                    $($name: schema.apply(include_str!(concat!("sql/", stringify!($name), ".sql")))),+
                }
            }
        }
    };
}

statements!(
    append,
    append_all,
    append_at_end,
    append_at_end_with_metadata,
    append_one,
    attend,
    claim_shards,
    command_metadata,
    commands,
    compare_head,
    crash_marker,
    delete_shards,
    delete_skipped,
    delete_versions,
    forget_parked,
    move_parked,
    forget_shards,
    halt_shard,
    held,
    insert_checkpoint,
    insert_divided_shard,
    insert_version,
    is_attended,
    is_durable,
    leave,
    lock_head,
    lock_shard_row,
    lock_shards,
    lock_versions,
    move_checkpoint,
    move_parked_key,
    other_types,
    park_key,
    raise_epoch,
    read_all,
    read_first,
    read_items,
    read_to_fold,
    read_type_to_fold,
    read_typed,
    recognize,
    release_keys,
    release_shards,
    relocate_checkpoint,
    replace_backend,
    replayed,
    resent,
    resume_shard,
    seize_shards,
    select_checkpoint,
    select_parked,
    select_shards,
    select_skipped,
    select_versions,
    set_crash_marker,
    state_positions,
    states,
    tail,
    transaction_settings,
    unpark_key,
);

/// The statement for one tag, as one for this number of tags.
fn read_tagged(one: &str, tags: usize) -> String {
    let parts: Vec<&str> = one.split(TAG_MARK).collect();
    let [before, part, after] = parts[..] else {
        return one.to_owned();
    };
    let repeated: Vec<String> = (0..tags)
        .map(|place| {
            let tag = part.replace("$4", &format!("${}", 4 + 2 * place));
            tag.replace("$5", &format!("${}", 5 + 2 * place))
        })
        .collect();
    // Events with several of the tags are selected by each.
    let distinct = "SELECT DISTINCT ON (found.position) found.*";
    let before = if tags > 1 {
        before.replace("SELECT found.*", distinct)
    } else {
        before.to_owned()
    };
    format!("{before}{}{after}", repeated.join("        UNION ALL\n"))
}

/// The statement that writes a batch, with rows of custom metadata as this parameter. Few batches have any, and an
/// insert costs time even without rows.
fn with_metadata(append: &str, parameter: usize) -> String {
    let insert = format!(
        "INSERT INTO cqrs.command_metadata (command, metadata)\n    SELECT new.*\n    \
         FROM unnest(${parameter}::cqrs.command_metadata[]) AS new, head"
    );
    with_insert(append, "new_metadata", &insert)
}

/// The statement that writes one event, with a record of its command, whose fingerprint is the last parameter.
fn with_record(append_one: &str) -> String {
    let insert = "INSERT INTO cqrs.commands (id, fingerprint, first, count)\n    \
                  SELECT $12::uuid, $18::bigint, $4, 1\n    FROM head";
    with_insert(append_one, "new_command", insert)
}

/// The statement, with another insert as the last one of its list.
fn with_insert(append: &str, name: &str, insert: &str) -> String {
    append.replacen("\n)\n", &format!("\n), {name} AS (\n    {insert}\n)\n"), 1)
}

/// The statement that writes a batch, for the transaction of a handler: it writes nothing once the handler has
/// ended that, tells the check before the commit that it has written, and the commit of the transaction does not
/// wait for the disk.
fn append_in_transaction(append: &str) -> String {
    let open = "AND last = $3 AND current_setting('cqrs_store.handler', true) = 'open'";
    let without_waiting = "set_config('synchronous_commit', 'off', true)";
    let appended = "RETURNING set_config('cqrs_store.handler', 'appended', true)";
    append
        .replace("AND last = $3", open)
        .replace("current_setting('synchronous_commit')", without_waiting)
        .replace("RETURNING 1", appended)
}

/// Notifies other processes of the head. Names no table.
pub(crate) const NOTIFY: &str = include_str!("sql/notify.sql");

/// Locks a shard until the transaction ends. Names no table.
pub(crate) const LOCK_SHARD: &str = include_str!("sql/lock_shard.sql");
