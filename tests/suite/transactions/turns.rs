//! Appends in transactions on PostgreSQL: what they are decided against, and how they wait for each
//! other.

use std::time::Duration;

use cqrs_conformance::StoreFixture;
use cqrs_core::store::{
    Append, AppendError, EventData, EventLog, EventLogExt, EventQuery, EventType,
    LogTransaction as _, Tag, Transactional as _,
};
use cqrs_core::{CommandId, Position};
use cqrs_postgres::Postgres;
use tokio_postgres::Client;

use crate::outage::until;
use crate::support::postgres::Schema;
use crate::support::transacting::append_in;

/// One event of this account, if it has none after that position.
pub(super) fn append(account: u32, after: u64) -> Append {
    let tag = Tag::new("account", account);
    let event = EventData {
        event_type: EventType::new("booked"),
        version: 1,
        tags: [tag.clone()].into_iter().collect(),
        payload: b"{}".to_vec(),
    };
    Append::new(CommandId::new(), vec![event])
        .fingerprint(1)
        .unless(EventQuery::tagged(tag), Position::new(after))
}

/// Somebody else who has the log's head.
pub(super) async fn lock_head(schema: &Schema) -> Client {
    let client = schema.client().await;
    let lock = format!("BEGIN; SELECT FROM {}.head FOR UPDATE", schema.name());
    client.batch_execute(&lock).await.expect("the lock");
    client
}

/// Waits until so many wait for a lock with a statement that has this in it.
pub(super) async fn until_waiting(client: &Client, statement: &str, count: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE query LIKE '%' || $1 || '%' AND wait_event_type = 'Lock'";
    until(|| async {
        let row = client.query_one(waiting, &[&statement]).await;
        row.expect("a count").get::<_, i64>(0) == count
    })
    .await;
}

/// A boundary that is older than the window is looked up before the lock is asked for; what another
/// process commits until the lock is there still breaks it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_before_the_lock_is_there_is_seen() {
    let test = "what_is_written_before_the_lock_is_there_is_seen";
    let Some(schema) = Schema::fresh(test, Postgres::options().window(1)) else {
        return;
    };
    let (store, client, name) = (schema.open().await, schema.client().await, schema.name());
    for account in [1, 2, 3] {
        append_in(&store, append(account, 0)).await.expect("new");
    }
    for (copied, broken) in [(3, false), (1, true)] {
        let other = lock_head(&schema).await;
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { append_in(&store, append(1, 1)).await }
        });
        until_waiting(&client, name, 1).await;
        let head = store.head().await.expect("a head").plus(1);
        let as_before = format!(
            "INSERT INTO {name}.events SELECT {head}, id, type, version, all_tags, time, \
             actor, command, correlation, causation, payload, tag, fingerprint FROM {name}.events \
             WHERE position = {copied}; \
             UPDATE {name}.head SET position = {head}; COMMIT"
        );
        other.batch_execute(&as_before).await.expect("another");
        let answer = waiting.await.expect("it is answered");
        if broken {
            let conflict =
                matches!(answer, Err(AppendError::Conflict { at }) if at == Position::new(5));
            assert!(conflict, "{answer:?}");
        } else {
            assert_eq!(answer.expect("nothing of its own").first, head.plus(1));
            // For the other round, as if it had not been.
            let undo = format!(
                "DELETE FROM {name}.events WHERE position = 5; \
                 UPDATE {name}.head SET position = 4"
            );
            client.batch_execute(&undo).await.expect("undone");
        }
    }
}

/// The writing task and transactions learn of each other's events.
#[tokio::test]
async fn batches_and_transactions_see_each_other() {
    let Some(schema) = Schema::fresh("batches_and_transactions", Postgres::options()) else {
        return;
    };
    let store = schema.open().await;
    let conflict = |answer, at| match answer {
        Err(AppendError::Conflict { at: found }) => assert_eq!(found, Position::new(at)),
        answer => panic!("{answer:?}"),
    };
    append_in(&store, append(1, 0)).await.expect("new");
    conflict(store.append(append(1, 0)).await, 1);
    store.append(append(1, 1)).await.expect("up to date");
    conflict(append_in(&store, append(1, 1)).await, 2);
    append_in(&store, append(2, 0)).await.expect("new");
    conflict(store.append(append(2, 2)).await, 3);
    append_in(&store, append(1, 2)).await.expect("up to date");
    store.append(append(2, 3)).await.expect("up to date");
}

/// Two transactions in succession, so that the next one only compares the head. Then somebody else writes:
/// rows of the handler are kept, and what was written in between is seen.
#[tokio::test]
async fn a_head_that_has_moved_costs_no_handler_its_rows() {
    let test = "a_head_that_has_moved_costs_no_handler_its_rows";
    let Some(schema) = Schema::fresh(test, Postgres::options()) else {
        return;
    };
    let (store, client, name) = (schema.open().await, schema.client().await, schema.name());
    let table = format!("CREATE TABLE {name}.rows (account bigint NOT NULL)");
    client.batch_execute(&table).await.expect("a table");
    let insert = format!("INSERT INTO {name}.rows VALUES ($1)");
    let book = async |account: i64, append| {
        let transaction = store.begin().await.expect("it begins");
        let inserted = transaction.execute(&insert, &[&account]).await;
        inserted.expect("a row");
        transaction.append(append).await
    };
    for account in [1, 2, 3] {
        let booked = book(account.into(), append(account, 0)).await;
        booked.expect("a new account");
    }
    store.append(append(4, 0)).await.expect("a new account");
    let booked = book(5, append(5, 0)).await.expect("a new account");
    assert_eq!(booked.first, Position::new(5));
    for account in [6, 7] {
        let booked = book(account.into(), append(account, 0)).await;
        booked.expect("a new account");
    }
    store.append(append(8, 0)).await.expect("a new account");
    let refused = book(8, append(8, 0)).await;
    let at = Position::new(8);
    assert!(matches!(refused, Err(AppendError::Conflict { at: found }) if found == at));
    let select = format!("SELECT account FROM {name}.rows ORDER BY account");
    let rows = client.query(&select, &[]).await.expect("rows");
    let accounts: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(accounts, [1, 2, 3, 5, 6, 7]);
}

/// A handler that has ended its transaction, and perhaps begun another one, appends nothing.
#[tokio::test]
async fn a_transaction_that_was_ended_appends_nothing() {
    let test = "a_transaction_that_was_ended_appends_nothing";
    let Some(schema) = Schema::fresh(test, Postgres::options()) else {
        return;
    };
    let store = schema.open().await;
    let mut head = 0;
    for end in ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK; BEGIN"] {
        for account in [1, 2, 3] {
            let appended = append_in(&store, append(account, head)).await;
            appended.expect("nothing of its own");
        }
        head = store.head().await.expect("a head").get();
        let transaction = store.begin().await.expect("it begins");
        transaction.batch_execute(end).await.expect("it ends");
        let refused = transaction.append(append(4, 0)).await;
        assert!(
            matches!(refused, Err(AppendError::Transaction { .. })),
            "{end}: {refused:?}"
        );
        assert_eq!(store.head().await.expect("a head").get(), head, "{end}");
    }
}

/// Callers are gone while they wait, one for the lock and others for their turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_and_is_gone_is_not_waited_for() {
    let Some(schema) = Schema::fresh("who_waits_and_is_gone", Postgres::options()) else {
        return;
    };
    let (store, client) = (schema.open().await, schema.client().await);
    append_in(&store, append(1, 0)).await.expect("new");
    let other = lock_head(&schema).await;
    let waiting = [(); 4].map(|()| {
        let store = store.clone();
        tokio::spawn(async move { append_in(&store, append(1, 1)).await })
    });
    until_waiting(&client, schema.name(), 1).await;
    for one in waiting {
        one.abort();
        assert!(one.await.is_err_and(|error| error.is_cancelled()));
    }
    other.batch_execute("ROLLBACK").await.expect("it ends");
    // The one that waited for the lock has been sent no append.
    let appended = append_in(&store, append(1, 1)).await.expect("the only one");
    assert_eq!(appended.first.get(), 2);
}

/// One has its turn, and its commit checks a row that the next in turn has locked: only the
/// database sees the circle, so the next does not wait for its turn for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circle_of_turns_and_locks_is_broken() {
    let Some(schema) = Schema::fresh("a_circle_of_turns_and_locks", Postgres::options()) else {
        return;
    };
    let schema = schema.searched();
    let (store, client, name) = (schema.open().await, schema.client().await, schema.name());
    let tables = format!(
        "CREATE TABLE {name}.parents (id bigint PRIMARY KEY); \
         CREATE TABLE {name}.children (parent bigint REFERENCES {name}.parents \
         DEFERRABLE INITIALLY DEFERRED); \
         INSERT INTO {name}.parents VALUES (1)"
    );
    client.batch_execute(&tables).await.expect("tables");
    let first = store.begin().await.expect("begins");
    let insert = first.execute("INSERT INTO children VALUES (1)", &[]);
    insert.await.expect("a child");
    let next = store.begin().await.expect("begins");
    let lock = next.query_one("SELECT FROM parents FOR UPDATE", &[]);
    lock.await.expect("a lock");
    let committing = tokio::spawn(first.append(append(1, 0)));
    until_waiting(&client, "COMMIT", 1).await;
    let next = tokio::spawn(next.append(append(2, 0)));
    let both = async { (committing.await, next.await) };
    let both = tokio::time::timeout(Duration::from_secs(20), both);
    let (first, next) = both.await.expect("nobody waits for ever");
    let answers = [first.expect("answered"), next.expect("answered")];
    let is_overtaken = |it: &_| matches!(it, Err(AppendError::Conflict { .. }));
    assert_eq!(
        answers.iter().filter(|it| it.is_ok()).count(),
        1,
        "{answers:?}"
    );
    assert_eq!(
        answers.iter().filter(|it| is_overtaken(it)).count(),
        1,
        "{answers:?}"
    );
}
