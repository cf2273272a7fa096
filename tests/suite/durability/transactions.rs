//! Transactions of handlers, whose commit was done and the waiting commit behind it was not: nothing of them is
//! handed on that a crash takes back.

use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{
    AppendError, EventLog as _, EventLogExt as _, HasReader as _, LogTransaction as _,
    Transactional as _,
};
use cqrs_postgres::Postgres;
use tokio::spawn;
use tokio::task::JoinSet;

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
    swallowing.cut_off();
    let sent = spawn(transaction.append(claim()));
    until(|| async { held.head().await == 5 }).await;
    assert!(!held.is_flushed().await, "something has waited");
    assert_eq!(store.heads().position(), Position::new(4));
    assert_eq!(held.crash().await, 4, "the event is lost");
    held.allow_flush(true).await;
    swallowing.let_in();
    // The account is free, also by what the transactions of this process know.
    sent.await.expect("no panic").expect_err("it was lost");
    let appended = append_in(&store, claim()).await.expect("it is free");
    assert_eq!(appended.first, Position::new(5));
    assert_eq!(store.head().await.expect("a head"), appended.first);
}

/// Number of connections of a store for transactions.
const POOL_SIZE: usize = 8;

/// A store with all of its connections for transactions: one that is opened later does not vouch for an earlier
/// commit.
pub(super) async fn connect_all(held: &Held) -> Postgres {
    let options = Postgres::options().pool_size(POOL_SIZE);
    let store = options.connect(&held.url()).await.expect("it connects");
    let mut open = Vec::new();
    for _ in 0..POOL_SIZE {
        open.push(store.begin().await.expect("it begins"));
    }
    drop(open);
    store
}

/// The number of sessions whose commit waits for a standby.
pub(super) async fn waiting(held: &Held) -> i64 {
    let select = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let row = held.client.query_one(select, &[]).await;
    row.expect("it answers").get(0)
}

/// Has waiting commits wait for a standby that does not exist, or not.
pub(super) async fn hold_flush(held: &Held, is_held: bool) {
    let names = if is_held { "nobody" } else { "" };
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
    held.client.batch_execute(&set).await.expect("a setting");
    let reload = held.client.batch_execute("SELECT pg_reload_conf()").await;
    reload.expect("it is read");
    let probe = "SELECT current_setting('synchronous_standby_names')";
    until(|| async {
        let row = held.client.query_one(probe, &[]).await;
        row.expect("it answers").get::<_, &str>(0) == names
    })
    .await;
}

/// Also if the one that sent the waiting commit is dropped meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_share_a_waiting_commit_and_queries_wait_for_it() {
    const TEST: &str = "transactions_share_a_waiting_commit_and_queries_wait_for_it";
    let Some(held) = Held::start(TEST).await else {
        return;
    };
    let store = connect_all(&held).await;
    let book = |number| {
        let store = store.clone();
        async move { append_in(&store, append(&account(number), 1, None)).await }
    };
    for number in 1..=4 {
        book(number).await.expect("it is appended");
    }
    for is_dropped in [false, true] {
        hold_flush(&held, true).await;
        let first = loop {
            let sent = spawn(book(12));
            until(|| async { sent.is_finished() || waiting(&held).await == 1 }).await;
            if !sent.is_finished() {
                break sent;
            }
            // The server had not read the setting.
            sent.await.expect("no panic").expect("it is appended");
        };
        let before = held.head().await - 1;
        let others: JoinSet<_> = (13..=17).map(book).collect();
        until(|| async { held.head().await == before + 6 }).await;
        let reader = spawn({
            let reader = store.reader();
            async move {
                reader
                    .query_one("SELECT position FROM cqrs.head", &[])
                    .await
            }
        });
        let asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT position%'";
        until(|| async {
            let row = held.client.query_one(asked, &[]).await;
            row.expect("it answers").get::<_, i64>(0) > 0
        })
        .await;
        assert_eq!(waiting(&held).await, 1, "one waits for all");
        let known = i64::try_from(store.heads().position().get());
        assert_eq!(known.expect("a small number"), before);
        assert!(!first.is_finished() && !reader.is_finished());
        if is_dropped {
            first.abort();
        }
        hold_flush(&held, false).await;
        assert!(others.join_all().await.iter().all(Result::is_ok));
        let position = reader.await.expect("no panic").expect("it answers");
        assert_eq!(position.get::<_, i64>(0), before + 6);
        if !is_dropped {
            first.await.expect("no panic").expect("it is appended");
        }
    }
}
