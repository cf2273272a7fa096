//! Processes that stand still while they hold a lock, as when a machine is paused or cut off: others wait
//! for it for a limited time.

use std::time::Duration;

use cqrs_conformance::StoreFixture as _;
use cqrs_core::store::{
    AppendError, EventLog as _, EventLogExt as _, Position, Shard, StoreError, Transactional as _,
    ViewTransaction as _,
};
use cqrs_postgres::{Options, Postgres};
use tokio::runtime::{self, Runtime};

use super::turns::{append, lock_head, until_waiting};
use crate::outage::until;
use crate::support::postgres::Schema;
use crate::support::transacting::append_in;

/// Two processes on one log.
struct Processes {
    schema: Schema,
    /// Stands still whenever nothing is waited for in its runtime.
    there: (Runtime, Postgres),
    here: (Runtime, Postgres),
}

impl Processes {
    fn start(test: &str, options: Options) -> Option<Self> {
        let schema = Schema::fresh(test, options)?;
        let there = runtime::Builder::new_current_thread().enable_all().build();
        let [there, here] = [there, Runtime::new()].map(|runtime| {
            let runtime = runtime.expect("a runtime");
            let store = runtime.block_on(schema.open());
            (runtime, store)
        });
        Some(Self {
            schema,
            there,
            here,
        })
    }
}

#[test]
fn a_process_that_stands_still_at_the_end_of_the_log_keeps_others_out_for_seconds_only() {
    const TEST: &str = "a_process_that_stands_still_at_the_end_of_the_log";
    let Some(processes) = Processes::start(TEST, Postgres::options()) else {
        return;
    };
    let Processes {
        schema,
        there: (stopped, there),
        here: (running, here),
    } = &processes;
    let head = running.block_on(lock_head(schema));
    let late = there.clone();
    let late = stopped.spawn(async move { append_in(&late, append(1, 0)).await });
    stopped.block_on(async {
        let client = schema.client().await;
        until_waiting(&client, schema.name(), 1).await;
    });
    // It gets the lock, and takes no note of that.
    running
        .block_on(head.batch_execute("COMMIT"))
        .expect("it is unlocked");
    let written = running.block_on(here.append(append(2, 0)));
    assert_eq!(written.expect("it is written").first, Position::new(1));
    let late = stopped.block_on(late).expect("no panic");
    let Err(AppendError::Store(StoreError::Unavailable { .. })) = late else {
        panic!("nothing is written: {late:?}");
    };
    assert_eq!(
        running.block_on(here.head()).expect("it reads"),
        Position::new(1)
    );
}

#[test]
fn a_projection_that_stands_still_in_its_transaction_is_replaced() {
    const TEST: &str = "a_projection_that_stands_still_in_its_transaction_is_replaced";
    let options = Postgres::options().statement_timeout(Duration::from_secs(1));
    let Some(processes) = Processes::start(TEST, options) else {
        return;
    };
    let Processes {
        there: (stopped, there),
        here: (running, here),
        ..
    } = &processes;
    let shard = || Shard::whole("projection:sales:1");
    let late = stopped.block_on(async {
        let mut late = there.begin().await.expect("it begins");
        late.checkpoint(shard()).await.expect("it is free");
        late
    });
    running.block_on(until(async || {
        let mut next = here.begin().await.expect("it begins");
        next.checkpoint(shard()).await.is_ok()
    }));
    let late = stopped.block_on(late.query("SELECT", &[]));
    late.expect_err("its transaction has ended");
}
