//! Transactions of handlers, whose commit was done and the waiting commit behind it was not: nothing of them is
//! handed on that a crash takes back.

use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{
    AppendError, EventLog as _, EventLogExt as _, LogTransaction as _, Transactional as _,
};
use cqrs_postgres::Postgres;
use tokio::spawn;

use super::Held;
use crate::outage::proxy::{Proxy, Swallowing};
use crate::outage::until;
use crate::outage::writer::{account, append};
use crate::support::transacting::append_in;

/// Number of appends before the one that is watched. After three, the head is compared without a lock.
const BEFORE: [u64; 2] = [1, 4];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_waiting_commit_fails_is_acknowledged_once_it_is_durable() {
    const TEST: &str =
        "a_transaction_whose_waiting_commit_fails_is_acknowledged_once_it_is_durable";
    for before in BEFORE {
        let Some(mut held) = Held::start(TEST).await else {
            return;
        };
        let store = Postgres::connect(&held.url()).await.expect("it connects");
        for _ in 0..before {
            let appended = append_in(&store, append(&account(1), 1, None)).await;
            appended.expect("it is appended");
        }
        held.allow_flush(false).await;
        let last = append(&account(2), 1, None);
        match append_in(&store, last.clone()).await {
            // The fence before the lookup waited for the disk.
            Ok(answer) => assert!(answer.replayed, "{answer:?}"),
            // Since then, the server has written more of its own.
            Err(AppendError::Indeterminate { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        held.allow_flush(true).await;
        let answer = append_in(&store, last).await.expect("it is found");
        assert!(answer.replayed, "{answer:?}");
        let position = i64::try_from(before + 1).expect("a small number");
        assert_eq!(held.crash().await, position, "it is durable");
    }
}

/// It compares the head: with the lock, the answer to that would have to arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_a_crash_took_back_was_not_handed_on() {
    const TEST: &str = "a_transaction_that_a_crash_took_back_was_not_handed_on";
    let Some(mut held) = Held::start(TEST).await else {
        return;
    };
    let swallowing = Arc::new(Swallowing::default());
    let proxy = Proxy::swallowing(&held.url(), swallowing.clone()).await;
    let url = proxy.url(&held.url());
    let store = Postgres::connect(&url).await.expect("it connects");
    for _ in 0..4 {
        let appended = append_in(&store, append(&account(1), 1, None)).await;
        appended.expect("it is appended");
    }
    held.allow_flush(false).await;
    let claim = || append(&account(2), 1, Some(Position::START));
    let transaction = store.begin().await.expect("it begins");
    let executed = transaction.execute("SELECT", &[]).await;
    executed.expect("it runs");
    // So that the process does not ask on another connection before the crash.
    swallowing.swallow(true);
    let sent = spawn(transaction.append(claim()));
    until(|| async { held.head().await == 5 }).await;
    assert!(!held.is_flushed().await, "something has waited");
    assert_eq!(store.heads().position(), Position::new(4));
    assert_eq!(held.crash().await, 4, "the event is lost");
    held.allow_flush(true).await;
    // The account is free, also by what the transactions of this process know.
    sent.await.expect("no panic").expect_err("it was lost");
    let appended = append_in(&store, claim()).await.expect("it is free");
    assert_eq!(appended.first, Position::new(5));
    assert_eq!(store.head().await.expect("a head"), appended.first);
}
