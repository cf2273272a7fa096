//! The SQL statements, one file each in `sql/`, written for the schema `cqrs`.

use crate::schema::Schema;

/// Settings of each session of the store, which `lock_head.sql` repeats in transactions of handlers.
///
/// A statement is planned once per connection, perhaps while the tables are still empty. Reading a
/// whole table looks cheapest then, and is the most expensive plan later. So only index scans and
/// nested loops are left on. The planner charges a fine for a plan that it has to use all the same,
/// which would make parallel workers and JIT look worthwhile, so these are off as well.
///
/// Read committed, whatever the database's default: a statement that has waited for a lock must see
/// the commits that it waited for.
pub(crate) const SESSION: &str = "\
    SET plan_cache_mode = force_generic_plan; \
    SET default_transaction_isolation = 'read committed'; \
    SET enable_seqscan = off; \
    SET enable_hashjoin = off; \
    SET enable_mergejoin = off; \
    SET max_parallel_workers_per_gather = 0; \
    SET jit = off";

/// Settings for the statements that handlers record, until the transaction ends. They are planned as in
/// sessions of handlers, once per connection. They wait for rows of other transactions while the head is
/// locked, but not for long: for less time than the server waits before it looks for a deadlock.
pub(crate) const STATEMENT_SETTINGS: &str = "\
    SELECT set_config('lock_timeout', '250ms', true), set_config('enable_seqscan', 'on', true), \
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

/// Marks the beginning and the end of the parts of `append` that concern states.
const STATES: &str = "-- states\n";

macro_rules! statements {
    ($($name:ident),+ $(,)?) => {
        /// The statements for one schema.
        pub(crate) struct Sql {
            /// `append`, with the parts that concern states.
            pub(crate) append_with_states: String,
            /// `append` without those: the upsert costs time even with no rows.
            pub(crate) append: String,
            $(pub(crate) $name: String),+
        }

        impl Sql {
            pub(crate) fn new(schema: &Schema) -> Self {
                let whole = include_str!("sql/append.sql");
                let without = whole.split(STATES).step_by(2).collect::<Vec<_>>().join("");
                Self {
                    append_with_states: schema.apply(whole),
                    append: schema.apply(&without),
                    $($name: schema.apply(include_str!(concat!("sql/", stringify!($name), ".sql")))),+
                }
            }
        }
    };
}

statements!(
    append_one,
    begin_snapshot,
    commands,
    crash_marker,
    compare_head,
    insert_checkpoint,
    lock_head,
    move_checkpoint,
    raise_epoch,
    recognize,
    read_all,
    read_first,
    read_items,
    read_tagged,
    read_to_fold,
    select_checkpoint,
    set_crash_marker,
    state_positions,
    states,
    tail,
);

/// Notifies other processes of the head. Names no table.
pub(crate) const NOTIFY: &str = include_str!("sql/notify.sql");

/// Locks a subscription until the transaction ends. Names no table.
pub(crate) const LOCK_SUBSCRIPTION: &str = include_str!("sql/lock_subscription.sql");
