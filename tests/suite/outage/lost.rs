//! Single appends that are lost on their way, or whose answer is, or that wait in vain.

use std::time::Duration;

use cqrs_conformance::StoreFixture;
use cqrs_core::Position;
use cqrs_core::store::{Append, AppendError, Appended, EventLog, EventLogExt, StoreError};
use cqrs_postgres::Postgres;
use tokio_postgres::Client;

use super::history::log;
use super::proxy::{Loss, Lost, Proxy};
use super::until;
use super::writer::{account, append};
use crate::support::postgres::Schema;
use crate::support::transacting::append_in;

/// In the payload of the append that is lost.
const MARKER: &str = "lost-on-its-way";

/// A store whose connection is lost with one append, behind an event of another.
struct Scene {
    schema: Schema,
    client: Client,
    store: Postgres,
    lost: Lost,
    append: Append,
    _proxy: Proxy,
}

impl Scene {
    async fn new(test: &str, when: Loss) -> Option<Self> {
        let schema = Schema::fresh(test, Postgres::options())?;
        let (proxy, lost) = Proxy::losing(schema.url(), MARKER, when).await;
        let url = proxy.url(schema.url());
        let store = schema.options().connect(&url).await.expect("connects");
        let first = append(&account(0), 1, None);
        store.append(first).await.expect("appends");
        let mut append = append(&account(0), 2, Some(Position::new(1)));
        append.events[0].payload = format!("\"{MARKER}\"").into_bytes();
        Some(Self {
            client: schema.client().await,
            schema,
            store,
            lost,
            append,
            _proxy: proxy,
        })
    }

    /// What the database says instead of changing this column of the log's end.
    async fn refuse(&self, column: &str, code: &str) {
        let schema = self.schema.name();
        let refuse = format!(
            "CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ \
             BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END $$; \
             CREATE TRIGGER refuse BEFORE UPDATE OF {column} ON {schema}.head \
             FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()"
        );
        self.client.batch_execute(&refuse).await.expect("a trigger");
    }

    async fn refuse_no_more(&self) {
        let drop = format!("DROP FUNCTION {}.refuse() CASCADE", self.schema.name());
        self.client.batch_execute(&drop).await.expect("a trigger");
    }

    async fn send(&self) -> Result<Appended, AppendError> {
        self.store.append(self.append.clone()).await
    }

    /// The append is there once, at 2 and 3; sent again, it is answered as the first time.
    async fn is_there(&self) {
        let again = self.send().await.expect("it is known");
        assert!(again.replayed, "I6: {again:?}");
        assert_eq!((again.first.get(), again.last.get()), (2, 3));
        let log = log(&self.schema.open().await).await;
        assert_eq!(log.len(), 3, "once");
        assert!(
            log[1..]
                .iter()
                .all(|it| it.meta.command == self.append.command)
        );
    }
}

/// I6: an append was carried out and its answer lost: it is looked up. Whether an
/// earlier sending was found cannot be told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_was_lost_is_found() {
    let test = "an_append_whose_answer_was_lost_is_found";
    let Some(scene) = Scene::new(test, Loss::Answer).await else {
        return;
    };
    let appended = scene.send().await.expect("it happened");
    assert!(appended.replayed, "it was found: {appended:?}");
    assert_eq!((appended.first.get(), appended.last.get()), (2, 3));
    scene.is_there().await;
}

/// The same in a transaction: it is looked up on another connection, and what was known of the
/// log's end is learned again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_answer_was_lost_is_looked_up() {
    let test = "a_transaction_whose_answer_was_lost_is_looked_up";
    let Some(scene) = Scene::new(test, Loss::Answer).await else {
        return;
    };
    // The connection ends between the append and the commit, or after both.
    match append_in(&scene.store, scene.append.clone()).await {
        Ok(appended) => assert!(appended.replayed, "it was found: {appended:?}"),
        Err(AppendError::Store(StoreError::Unavailable { .. })) => {
            assert_eq!(scene.store.head().await.expect("a head").get(), 1);
            let again = append_in(&scene.store, scene.append.clone()).await;
            assert!(!again.expect("it happens").replayed);
        }
        Err(error) => panic!("{error}"),
    }
    scene.is_there().await;
    let stale = append(&account(0), 1, Some(Position::new(1)));
    let answer = append_in(&scene.store, stale).await;
    assert!(
        matches!(answer, Err(AppendError::Conflict { .. })),
        "{answer:?}"
    );
    let next = append(&account(0), 1, Some(Position::new(3)));
    let appended = append_in(&scene.store, next).await.expect("up to date");
    assert_eq!(appended.first.get(), 4);
}

/// An append that was lost on its way is sent again; the lost one arrives later, and has no effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_arrives_late_happens_once() {
    let test = "an_append_that_arrives_late_happens_once";
    let Some(scene) = Scene::new(test, Loss::Late).await else {
        return;
    };
    let appended = scene.send().await.expect("it happens");
    assert!(!appended.replayed, "it was sent once: {appended:?}");
    scene.lost.deliver().await;
    scene.is_there().await;
}

/// An append that was lost on its way is sent again and refused, and so has not happened; the lost
/// one arrives later, when nothing would speak against it, and has no effect: it was shut out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_was_given_up_does_not_happen_later() {
    let test = "an_append_that_was_given_up_does_not_happen_later";
    let Some(scene) = Scene::new(test, Loss::Late).await else {
        return;
    };
    scene.refuse("position", "P0001").await;
    let answer = scene.send().await;
    let refused = matches!(
        answer,
        Err(AppendError::Store(StoreError::Unavailable { .. }))
    );
    assert!(refused, "it did not happen, for certain: {answer:?}");
    scene.refuse_no_more().await;
    scene.lost.deliver().await;
    assert_eq!(scene.store.head().await.expect("a head").get(), 1);
    let found = scene.store.command(scene.append.command).await;
    assert_eq!(found.expect("commands can be read"), None);
    let appended = scene.send().await.expect("nothing speaks against it");
    assert!(!appended.replayed, "{appended:?}");
    scene.is_there().await;
}

/// An append was carried out, and whatever the database says next, it is not said that it was not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_happened_is_never_denied() {
    let test = "what_may_have_happened_is_never_denied";
    // Out of disk, not allowed, bad data, gone: none of it is about the append that was lost.
    for code in ["53100", "42501", "22000", "23505", "XX001"] {
        let Some(scene) = Scene::new(test, Loss::Answer).await else {
            return;
        };
        scene.refuse("epoch", code).await;
        let answer = scene.send().await;
        let open = matches!(answer, Err(AppendError::Indeterminate { .. }));
        assert!(open, "after {code} nobody knows: {answer:?}");
        scene.refuse_no_more().await;
        scene.is_there().await;
    }
}

/// Others are always faster, so a store asks for the log for itself, and waits in vain: it fails
/// the waiting appends, and continues when the log is free again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_goes_on_after_it_waited_in_vain() {
    let test = "a_store_goes_on_after_it_waited_in_vain";
    let timeout = Duration::from_millis(300);
    let options = Postgres::options().statement_timeout(timeout);
    let Some(schema) = Schema::fresh(test, options) else {
        return;
    };
    let (store, name) = (schema.open().await, schema.name());
    let (client, other) = (schema.client().await, schema.client().await);
    // As if another process had just changed the log's end, every time.
    let overtake = format!(
        "CREATE FUNCTION {name}.overtake() RETURNS trigger LANGUAGE plpgsql AS $$ \
         BEGIN RETURN NULL; END $$; \
         CREATE TRIGGER overtake BEFORE UPDATE OF position ON {name}.head \
         FOR EACH ROW EXECUTE FUNCTION {name}.overtake()"
    );
    client.batch_execute(&overtake).await.expect("a trigger");
    let append = append(&account(0), 1, Some(Position::START));
    let waiting = tokio::spawn({
        let (store, append) = (store.clone(), append.clone());
        async move { store.append(append).await }
    });
    // The log's end is locked whenever it is asked for like this; nobody else does.
    let asked = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%{name}%FOR UPDATE%' \
         AND pid <> pg_backend_pid()"
    );
    let is_asked = || async {
        let row = client.query_one(&asked, &[]).await.expect("a count");
        row.get::<_, i64>(0) > 0
    };
    until(is_asked).await;
    let lock = format!("BEGIN; SELECT FROM {name}.head FOR UPDATE");
    other.batch_execute(&lock).await.expect("the lock");
    let answer = waiting.await.expect("it is answered");
    let in_vain = matches!(
        answer,
        Err(AppendError::Store(StoreError::Unavailable { .. }))
    );
    assert!(in_vain, "it waited in vain: {answer:?}");
    other.batch_execute("ROLLBACK").await.expect("it ends");
    let free = format!("DROP FUNCTION {name}.overtake() CASCADE");
    client.batch_execute(&free).await.expect("no trigger");
    let appended = store.append(append).await.expect("the log is free");
    assert_eq!(appended.first.get(), 1);
}
