//! The statements, one file each in `sql/`, for the schema that the tables are in.

use crate::schema::Schema;

/// What a session is set to before anything else. Statements are planned once, when tables may
/// still be empty: what then looks cheapest, to read a whole table, is the dearest thing later. And
/// what is off costs so much to the planner that it would start other processes for it.
/// `lock_head.sql` sets the same in the transactions of handlers. A statement that waited for a lock
/// must see what was committed meanwhile, whatever level is the database's default.
pub(crate) const SESSION: &str = "\
    SET plan_cache_mode = force_generic_plan; \
    SET default_transaction_isolation = 'read committed'; \
    SET enable_seqscan = off; \
    SET enable_hashjoin = off; \
    SET enable_mergejoin = off; \
    SET max_parallel_workers_per_gather = 0; \
    SET jit = off";

/// What is acknowledged is on the disk, whatever the server, the database or the role say; a
/// setting that waits for standbys, too, stays.
pub(crate) const DURABLE: &str = "\
    SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') = 'off'";

/// What is between two of these in `append_with_states` is about states.
const STATES: &str = "-- states\n";

macro_rules! statements {
    ($($name:ident),+ $(,)?) => {
        /// Each statement.
        pub(crate) struct Sql {
            /// `append_with_states` without its last part, which costs time even with no rows.
            pub(crate) append: String,
            $(pub(crate) $name: String),+
        }

        impl Sql {
            pub(crate) fn new(schema: &Schema) -> Self {
                let whole = include_str!("sql/append_with_states.sql");
                let without = whole.split(STATES).step_by(2).collect::<Vec<_>>().join("");
                Self {
                    append: schema.apply(&without),
                    $($name: schema.apply(include_str!(concat!("sql/", stringify!($name), ".sql")))),+
                }
            }
        }
    };
}

statements!(
    append_with_states,
    commands,
    insert_checkpoint,
    lock_head,
    move_checkpoint,
    raise_epoch,
    recognize,
    read_all,
    read_items,
    read_tagged,
    read_to_fold,
    select_checkpoint,
    state_positions,
    states,
    tail,
);

/// Tells other processes how long the log is. Names no table.
pub(crate) const NOTIFY: &str = include_str!("sql/notify.sql");

/// Locks a subscription until the transaction ends. Names no table.
pub(crate) const LOCK_SUBSCRIPTION: &str = include_str!("sql/lock_subscription.sql");
