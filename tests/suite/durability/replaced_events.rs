//! Events that a process has seen and a crash has taken back. Others are at their positions before the
//! process decides again.

use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::store::{AppendError, EventLog, EventLogExt};
use cqrs_postgres::Postgres;

use super::Held;
use crate::outage::until;
use crate::outage::writer::{account, append};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_decided_on_events_that_a_crash_took_back() {
    const TEST: &str = "nothing_is_decided_on_events_that_a_crash_took_back";
    let Some(mut held) = Held::start(TEST).await else {
        return;
    };
    let options = Postgres::options().retry_timeout(Duration::from_millis(500));
    let here = options.connect(&held.url()).await.expect("it connects");
    let first = append(&account(0), 1, None);
    here.append(first).await.expect("it is appended");
    let known = Some(Position::new(1));

    held.allow_flush(false).await;
    held.append_without_waiting().await;
    // The decision reads the event, which is about this account, and may not tell of it.
    let refused = here.append(append(&account(0), 1, known)).await;
    assert!(matches!(refused, Err(AppendError::Store(_))), "{refused:?}");
    assert_eq!(held.crash().await, 1, "the event is lost");
    held.allow_flush(true).await;

    // Of other accounts, at that position and beyond it.
    let there = Postgres::connect(&held.url()).await.expect("it connects");
    for number in 1..3 {
        let other = append(&account(number), 1, None);
        there.append(other).await.expect("it is appended");
    }
    until(|| async { here.head().await.is_ok() }).await;
    assert_eq!(here.heads().position(), Position::new(3));
    let missed = here.append(append(&account(1), 1, known)).await;
    assert!(
        matches!(missed, Err(AppendError::Conflict { .. })),
        "I2: {missed:?}"
    );
    let free = here.append(append(&account(0), 1, known)).await;
    free.expect("I10: nothing about this account is in the way");
}
