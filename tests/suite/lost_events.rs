//! Views apart from their log notice that the log has lost events, also when it has grown past their
//! checkpoint, and take no other log for such a one. Longer than 500 lines: one list of the histories
//! that a log can have had, on each pair of stores.

use std::sync::Arc;
use std::time::Duration;

use cqrs_conformance::{LogFixture as _, StoreFixture as _};
use cqrs_core::Position;
use cqrs_core::app::{Module, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::store::{
    BoxFuture, Checkpoint, EventLog, EventLogExt as _, EventPage, EventQuery, ReadRange, Shard,
    StoreError, ViewStore,
};
use cqrs_postgres::Postgres;
use cqrs_sqlite::{Sqlite, rusqlite};
use cqrs_umadb::UmaDb;

use crate::support::decorated::{Decorated, Hooks};
use crate::support::one_by_one::OneByOne;
use crate::support::postgres::Schema;
use crate::support::umadb::Log;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// More events than a subscription passes without writing its checkpoint.
const MANY: u32 = 4_200;

mod shop {
    use super::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Sell;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "sold-lost-events", version = 1)]
    pub struct Sold {}

    #[command_handler]
    fn sell(_: Sell) -> Sold {
        Sold {}
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Note {
        pub times: u32,
    }

    /// No subscription selects it.
    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "noted-lost-events", version = 1)]
    pub struct Noted {}

    #[command_handler]
    fn note(note: Note) -> Vec<Noted> {
        (0..note.times).map(|_| Noted {}).collect()
    }

    #[event_handler]
    fn follows_sales(_: Sold) {}
}

mod starting {
    use super::*;

    cqrs_core::module!();

    #[event_handler(start = "now")]
    fn follows_new_sales(_: shop::Sold) {}
}

/// One module per version of the projection.
macro_rules! sales {
    ($module:ident, $version:literal) => {
        mod $module {
            use super::shop::Sold;
            use super::*;

            cqrs_core::module!();

            #[derive(ReadModel, Clone, Serialize, Deserialize)]
            pub struct Sales {
                #[key]
                shop: u32,
                count: u32,
            }

            pub struct AllSales;

            #[projection(name = "sales-lost-events", version = $version)]
            impl AllSales {
                #[on]
                fn sold(_: &Sold, sales: &mut Views<Sales>) -> Result<()> {
                    let first = || Sales { shop: 1, count: 1 };
                    sales.upsert(&1, first, |sales| sales.count += 1)
                }
            }

            #[derive(Query, Clone, Serialize, Deserialize)]
            #[query(returns = u32)]
            pub struct CountSales;

            #[query_handler]
            async fn count_sales(_: CountSales, sales: Read<Sales>) -> Result<u32> {
                let sales = sales.get(&1).await?;
                Ok(sales.map_or(0, |sales| sales.count))
            }
        }
    };
}

sales!(first, 1);
sales!(second, 2);

const SALES: &str = "projection:sales-lost-events:1";

/// A log that can be brought back to an earlier state while it is closed.
trait RestorableLog {
    async fn open(&self) -> Arc<dyn EventLog>;
    async fn save(&mut self);
    async fn restore(&mut self);
}

struct SqliteLog {
    directory: tempfile::TempDir,
    file: &'static str,
}

impl SqliteLog {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory can be made"),
            file: "log.db",
        }
    }
}

impl RestorableLog for SqliteLog {
    async fn open(&self) -> Arc<dyn EventLog> {
        let opened = Sqlite::open(self.directory.path().join(self.file)).await;
        Arc::new(opened.expect("SQLite opens"))
    }

    async fn save(&mut self) {
        let log = rusqlite::Connection::open(self.directory.path().join(self.file));
        let copy = self.directory.path().join("backup.db");
        let copy = copy.to_str().expect("a path of UTF-8");
        let saved = log.expect("SQLite opens").execute("VACUUM INTO ?1", [copy]);
        saved.expect("the log is copied");
    }

    async fn restore(&mut self) {
        self.file = "backup.db";
    }
}

struct PostgresLog {
    schema: Schema,
    saved: Position,
}

impl RestorableLog for PostgresLog {
    async fn open(&self) -> Arc<dyn EventLog> {
        Arc::new(self.schema.open().await)
    }

    async fn save(&mut self) {
        let head = self.schema.open().await.head().await;
        self.saved = head.expect("a head");
    }

    async fn restore(&mut self) {
        let (schema, saved) = (self.schema.name(), self.saved);
        let restore = format!(
            "DELETE FROM {schema}.events WHERE position > {saved}; \
             DELETE FROM {schema}.event_tags WHERE position > {saved}; \
             DELETE FROM {schema}.commands WHERE first > {saved}; \
             UPDATE {schema}.head SET position = {saved}"
        );
        let client = self.schema.client().await;
        client
            .batch_execute(&restore)
            .await
            .expect("it is restored");
    }
}

impl RestorableLog for Log {
    async fn open(&self) -> Arc<dyn EventLog> {
        Arc::new(self.open_log().await)
    }

    async fn save(&mut self) {
        self.server.kill();
        self.server.save();
        self.server.restart();
    }

    async fn restore(&mut self) {
        self.server.kill();
        self.server.restore();
        self.server.restart();
    }
}

async fn build(log: &Arc<dyn EventLog>, views: &Arc<dyn ViewStore>) -> Dispatcher {
    build_with(first::module(), log, views).await
}

async fn build_with(
    sales: Module,
    log: &Arc<dyn EventLog>,
    views: &Arc<dyn ViewStore>,
) -> Dispatcher {
    Dispatcher::builder()
        .module(shop::module())
        .module(sales)
        .log(log.clone())
        .views(views.clone())
        .build()
        .await
        .expect("builds")
}

/// A dispatcher that follows the log until everything is in its views, and is shut down.
async fn follow(log: &Arc<dyn EventLog>, views: &Arc<dyn ViewStore>) {
    let app = build(log, views).await;
    app.wait_until_idle(LONG).await.expect("comes to rest");
    let followed = app.health();
    assert!(followed.is_ok(), "{followed:?}");
    app.shutdown(LONG).await.expect("is shut down");
}

/// Appends one event for each sale, as a process with other views does.
async fn sell(log: &Arc<dyn EventLog>, times: u32) -> Option<Receipt> {
    let app = elsewhere(log).await;
    let mut last = None;
    for _ in 0..times {
        last = Some(app.execute(shop::Sell).await.expect("sells"));
    }
    app.shutdown(LONG).await.expect("is shut down");
    last
}

async fn note(log: &Arc<dyn EventLog>, times: u32) {
    let app = elsewhere(log).await;
    app.execute(shop::Note { times }).await.expect("notes");
    app.shutdown(LONG).await.expect("is shut down");
}

async fn elsewhere(log: &Arc<dyn EventLog>) -> Dispatcher {
    let views: Arc<dyn ViewStore> = Arc::new(Memory::new());
    build(log, &views).await
}

async fn count(app: &Dispatcher) -> u32 {
    app.wait_until_idle(LONG).await.expect("comes to rest");
    app.query(first::CountSales).await.expect("answers")
}

/// Waits until the projection and the reaction fail, and returns the errors.
async fn failures(app: &Dispatcher) -> Vec<String> {
    let until_all_fail = async {
        loop {
            let errors: Vec<_> = app
                .health()
                .subscriptions
                .into_iter()
                .filter_map(|subscription| match subscription.state {
                    SubscriptionState::Failing { error, .. } => Some(error),
                    _ => None,
                })
                .collect();
            if errors.len() == 2 {
                return errors;
            }
            let _ = app.wait_until_idle(Duration::from_millis(10)).await;
        }
    };
    let failures = tokio::time::timeout(LONG, until_all_fail).await;
    failures.unwrap_or_else(|_| panic!("not all fail: {:?}", app.health()))
}

async fn checkpoint_of(subscription: &str, views: &Arc<dyn ViewStore>) -> Checkpoint {
    let found = views.checkpoint(&Shard::whole(subscription)).await;
    found.expect("is read").expect("a checkpoint")
}

/// Of three sales two are lost, and three others follow.
async fn grown_past_the_checkpoint(mut log: impl RestorableLog, views: Arc<dyn ViewStore>) {
    let opened = log.open().await;
    sell(&opened, 1).await;
    log.save().await;
    sell(&opened, 2).await;
    follow(&opened, &views).await;
    // A restart is no other log.
    follow(&opened, &views).await;
    drop(opened);

    log.restore().await;
    let opened = log.open().await;
    let receipt = sell(&opened, 3).await.expect("a sale");
    assert!(receipt.last() > checkpoint_of(SALES, &views).await.position);
    let app = build(&opened, &views).await;
    for error in failures(&app).await {
        assert!(error.contains("the log was replaced"), "{error}");
        assert!(error.contains("up to position 3"), "{error}");
    }
    let answer = app.query(first::CountSales).after(&receipt);
    let refused = answer.max_wait(Duration::from_millis(1)).await;
    refused.expect_err("it is not answered");
    drop(app);

    // The remedy.
    let app = build_with(second::module(), &opened, &views).await;
    let answer = app.query(second::CountSales).after(&receipt).await;
    assert_eq!(answer.expect("answers"), 4);
}

/// The lost event is of no concern to the subscriptions, but one that is in its place is.
async fn lost_what_nobody_selects(mut log: impl RestorableLog, views: Arc<dyn ViewStore>) {
    let opened = log.open().await;
    sell(&opened, 1).await;
    log.save().await;
    note(&opened, 1).await;
    // Read from the file: the events of this process might come one by one.
    let opened = log.open().await;
    follow(&opened, &views).await;
    let reached = checkpoint_of(SALES, &views).await;
    assert_eq!(reached.position, Position::new(2));
    let last = reached.last_event.expect("an event is known");
    assert_eq!(last.position, Position::new(1));
    follow(&opened, &views).await;
    drop(opened);

    log.restore().await;
    let opened = log.open().await;
    sell(&opened, 2).await;
    let app = build(&opened, &views).await;
    assert_eq!(count(&app).await, 3, "none is skipped");
    assert!(app.health().is_ok(), "{:?}", app.health());
}

/// The event that is in the place of the lost one is the last of the log, and a query waits for it.
async fn asked_after_what_nobody_selects(mut log: impl RestorableLog, views: Arc<dyn ViewStore>) {
    let opened = log.open().await;
    sell(&opened, 1).await;
    log.save().await;
    note(&opened, 1).await;
    let opened = log.open().await;
    follow(&opened, &views).await;
    let reached = checkpoint_of(SALES, &views).await.position;
    drop(opened);

    log.restore().await;
    let opened = log.open().await;
    let receipt = sell(&opened, 1).await.expect("a sale");
    assert_eq!(receipt.last(), reached);
    let app = build(&opened, &views).await;
    let answer = app.query(first::CountSales).after(&receipt).await;
    assert_eq!(answer.expect("answers"), 2);
}

/// The checkpoint moves past events that it does not select, and these are lost.
async fn lost_after_a_long_way(mut log: impl RestorableLog, views: Arc<dyn ViewStore>) {
    let opened = log.open().await;
    sell(&opened, 1).await;
    note(&opened, 1).await;
    log.save().await;
    note(&opened, MANY).await;
    follow(&opened, &views).await;
    let reached = checkpoint_of(SALES, &views).await;
    let last = reached.last_event.expect("an event is known");
    assert_eq!(last.position, reached.position);
    assert_eq!(reached.position, Position::new(2 + u64::from(MANY)));
    follow(&opened, &views).await;
    drop(opened);

    log.restore().await;
    let opened = log.open().await;
    note(&opened, MANY + 1).await;
    let app = build(&opened, &views).await;
    let errors = failures(&app).await;
    assert!(errors[0].contains("the log was replaced"), "{}", errors[0]);
}

async fn sqlite_views(log: &SqliteLog) -> Arc<dyn ViewStore> {
    let opened = Sqlite::open(log.directory.path().join("views.db")).await;
    Arc::new(opened.expect("SQLite opens"))
}

#[tokio::test]
async fn views_in_another_sqlite_notice_a_log_that_grew_past_them() {
    let log = SqliteLog::new();
    let views = sqlite_views(&log).await;
    grown_past_the_checkpoint(log, views).await;
}

#[tokio::test]
async fn views_in_memory_and_without_transactions_notice_a_log_that_grew_past_them() {
    grown_past_the_checkpoint(SqliteLog::new(), Arc::new(Memory::new())).await;
    grown_past_the_checkpoint(SqliteLog::new(), OneByOne::new()).await;
}

#[tokio::test]
async fn views_in_postgres_notice_a_log_that_grew_past_them() {
    let Some(schema) = Schema::fresh("lost_events_of_sqlite", Postgres::options()) else {
        return;
    };
    let views = Arc::new(schema.open().await);
    grown_past_the_checkpoint(SqliteLog::new(), views).await;
}

#[tokio::test]
async fn views_beside_postgres_notice_a_log_that_grew_past_them() {
    let Some(schema) = Schema::fresh("lost_events_of_postgres", Postgres::options()) else {
        return;
    };
    let log = PostgresLog {
        schema,
        saved: Position::START,
    };
    grown_past_the_checkpoint(log, Arc::new(Memory::new())).await;
}

#[tokio::test]
async fn views_beside_umadb_notice_a_log_that_grew_past_them() {
    let Some(log) = Log::fresh("lost_events_of_umadb", UmaDb::options()) else {
        return;
    };
    grown_past_the_checkpoint(log, Arc::new(Memory::new())).await;
}

#[tokio::test]
async fn a_running_dispatcher_notices_views_of_events_that_umadb_lost() {
    let Some(log) = Log::fresh("lost_events_while_running", UmaDb::options()) else {
        return;
    };
    let views: Arc<dyn ViewStore> = Arc::new(Memory::new());
    let opened: Arc<dyn EventLog> = Arc::new(log.open_log().await);
    let app = build(&opened, &views).await;
    app.execute(shop::Sell).await.expect("sells");
    log.server.kill();
    log.server.save();
    log.server.restart();
    app.execute(shop::Sell).await.expect("sells");
    assert_eq!(count(&app).await, 2);
    log.server.kill();
    log.server.restore();
    log.server.restart();
    let other: Arc<dyn EventLog> = Arc::new(log.open_log().await);
    sell(&other, 3).await;
    for error in failures(&app).await {
        assert!(error.contains("the log was replaced"), "{error}");
    }
}

#[tokio::test]
async fn events_in_the_place_of_lost_ones_that_nobody_selected_are_handled() {
    let log = SqliteLog::new();
    let views = sqlite_views(&log).await;
    lost_what_nobody_selects(log, views).await;
    lost_what_nobody_selects(SqliteLog::new(), OneByOne::new()).await;
}

#[tokio::test]
async fn a_query_waits_for_events_in_the_place_of_lost_ones() {
    let log = SqliteLog::new();
    let views = sqlite_views(&log).await;
    asked_after_what_nobody_selects(log, views).await;
    asked_after_what_nobody_selects(SqliteLog::new(), OneByOne::new()).await;
    asked_after_what_nobody_selects(SqliteLog::new(), Arc::new(Memory::new())).await;
}

#[tokio::test]
async fn a_checkpoint_that_moved_without_events_has_the_event_at_its_place() {
    let log = SqliteLog::new();
    let views = sqlite_views(&log).await;
    lost_after_a_long_way(log, views).await;
}

#[tokio::test]
async fn an_empty_log_and_one_that_had_been_empty_are_no_others() {
    let log = SqliteLog::new();
    let views = sqlite_views(&log).await;
    let opened = log.open().await;
    follow(&opened, &views).await;
    follow(&opened, &views).await;
    sell(&opened, 1).await;
    follow(&opened, &views).await;
    let app = build(&opened, &views).await;
    assert_eq!(count(&app).await, 1);
    assert!(app.health().is_ok(), "{:?}", app.health());
}

/// A log that reads single events up to a head that it knew before, as one of several processes may.
struct EarlierHead;

impl<L: EventLog + ?Sized> Hooks<L> for EarlierHead {
    fn read<'a>(
        &'a self,
        log: &'a L,
        query: EventQuery,
        mut range: ReadRange,
    ) -> BoxFuture<'a, Result<EventPage, StoreError>> {
        if range.limit == 1 && range.up_to.is_none() {
            range.up_to = Some(range.after.plus(1));
        }
        log.read(query, range)
    }
}

#[tokio::test]
async fn a_log_that_another_process_knows_further_is_no_other() {
    let log = SqliteLog::new();
    let views = sqlite_views(&log).await;
    let opened = log.open().await;
    sell(&opened, 1).await;
    note(&opened, 2).await;
    let opened = log.open().await;
    follow(&opened, &views).await;
    let behind: Arc<dyn EventLog> = Arc::new(Decorated {
        store: opened,
        hooks: EarlierHead,
    });
    follow(&behind, &views).await;
}

/// A command without events takes a position in UmaDB, and no event is read there.
#[tokio::test]
async fn a_checkpoint_in_a_gap_is_of_no_other_log() {
    let Some(log) = Log::fresh("checkpoint_in_a_gap", UmaDb::options()) else {
        return;
    };
    let views: Arc<dyn ViewStore> = Arc::new(Memory::new());
    let opened = RestorableLog::open(&log).await;
    sell(&opened, 1).await;
    note(&opened, 0).await;
    for _ in 0..2 {
        let app = Dispatcher::builder()
            .module(shop::module())
            .module(first::module())
            .module(starting::module())
            .log(opened.clone())
            .views(views.clone())
            .build()
            .await
            .expect("builds");
        assert_eq!(
            checkpoint_of("reaction:follows_new_sales", &views).await,
            Checkpoint::from(Position::new(2))
        );
        assert_eq!(count(&app).await, 1);
        assert!(app.health().is_ok(), "{:?}", app.health());
        app.shutdown(LONG).await.expect("is shut down");
    }
    let reached = checkpoint_of(SALES, &views).await;
    assert_eq!(reached.position, Position::new(2));
    sell(&opened, 1).await;
    let app = build(&opened, &views).await;
    assert_eq!(count(&app).await, 2);
    assert!(app.health().is_ok(), "{:?}", app.health());
}
