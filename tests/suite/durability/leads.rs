//! The one that sends the waiting commit of several transactions is lost, or does not go on: the others do.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use cqrs_core::store::{AppendError, Appended, HasReader as _};
use cqrs_postgres::Postgres;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Held;
use super::transactions::{connect_all, hold_flush, waiting};
use crate::outage::writer::{account, append};
use crate::support::transacting::append_in;

/// An append in a transaction.
type Sent = Pin<Box<dyn Future<Output = Result<Appended, AppendError>> + Send>>;

fn book(store: &Postgres, number: usize) -> Sent {
    let store = store.clone();
    Box::pin(async move { append_in(&store, append(&account(number), 1, None)).await })
}

/// A store that has appended in transactions, each of which compares the head.
async fn connect(held: &Held) -> Postgres {
    let store = Postgres::connect(&held.url()).await.expect("it connects");
    append_first(&store).await;
    store
}

async fn append_first(store: &Postgres) {
    for number in 1..=4 {
        book(store, number).await.expect("it is appended");
    }
}

/// A transaction whose waiting commit is on its way, and which is polled only by [`poll_once`].
async fn lead(held: &Held, store: &Postgres) -> Sent {
    hold_flush(held, true).await;
    loop {
        let mut sent = book(store, 5);
        let mut is_done = false;
        while !is_done && waiting(held).await == 0 {
            is_done = poll_once(&mut sent).await;
        }
        // Otherwise, the server had not read the setting.
        if !is_done {
            return sent;
        }
    }
}

/// Returns whether it has ended.
async fn poll_once(sent: &mut Sent) -> bool {
    poll_fn(|context| Poll::Ready(sent.as_mut().poll(context).is_ready())).await
}

/// Has so many others commit while that one waits.
async fn follow(
    held: &Held,
    store: &Postgres,
    lead: &mut Sent,
    count: usize,
) -> JoinSet<Result<Appended, AppendError>> {
    let before = held.head().await;
    let others = (6..6 + count).map(|number| book(store, number)).collect();
    loop {
        assert!(!poll_once(lead).await, "it waits");
        if held.head().await == before + i64::try_from(count).expect("a small number") {
            return others;
        }
    }
}

/// As in a `select!` whose other branch takes long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_is_polled_no_more_is_not_waited_for() {
    const TEST: &str = "a_sender_that_is_polled_no_more_is_not_waited_for";
    let Some(held) = Held::start(TEST).await else {
        return;
    };
    let store = connect(&held).await;
    let mut first = lead(&held, &store).await;
    let others = follow(&held, &store, &mut first, 3).await;
    let reader = store.reader();
    let read = reader.query_one("SELECT position FROM cqrs.head", &[]);
    hold_flush(&held, false).await;
    let both = async { (others.join_all().await, read.await) };
    let answered = timeout(Duration::from_secs(20), both).await;
    let (answers, read) = answered.expect("they are answered");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    read.expect("a row");
    first.await.expect("it is appended");
}

/// Lets nobody in, so that a lookup on a new connection fails.
async fn close(held: &Held) {
    // This commit is not to wait for a standby.
    let close = "SET synchronous_commit = local; ALTER ROLE app NOLOGIN";
    held.client.batch_execute(close).await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_lost_waiting_commit_later_transactions_need_no_lookup() {
    const TEST: &str = "after_a_lost_waiting_commit_later_transactions_need_no_lookup";
    let Some(held) = Held::start(TEST).await else {
        return;
    };
    let store = connect(&held).await;
    let mut first = lead(&held, &store).await;
    let others = follow(&held, &store, &mut first, 3).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'";
    held.client.batch_execute(end).await.expect("they end");
    hold_flush(&held, false).await;
    first.await.expect("it is found");
    let answers = others.join_all().await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    for number in 1..=3 {
        book(&store, number).await.expect("it is appended");
    }
    close(&held).await;
    let appended = book(&store, 4).await.expect("it is appended");
    assert!(!appended.replayed, "it was looked up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_transactions_share_a_waiting_commit() {
    const TEST: &str = "any_number_of_transactions_share_a_waiting_commit";
    let Some(held) = Held::start(TEST).await else {
        return;
    };
    let store = connect_all(&held).await;
    append_first(&store).await;
    let mut first = lead(&held, &store).await;
    let others = follow(&held, &store, &mut first, 1_100).await;
    close(&held).await;
    hold_flush(&held, false).await;
    first.await.expect("it is appended");
    let answers = others.join_all().await;
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(failed, 0);
    let replayed = answers.iter().flatten().filter(|it| it.replayed).count();
    assert_eq!(replayed, 0, "they were looked up");
}
