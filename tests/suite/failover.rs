//! A database that comes back without the events that were recorded last, and has grown since: as
//! after a failover, or when a backup was restored.

use std::sync::Arc;
use std::time::Duration;

use cqrs_conformance::StoreFixture;
use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::{
    AppendError, Boundary, Checkpoint, Epoch, EventLog, EventLogExt, EventQuery, Events,
    Incarnation, LastEvent, ReadRange, Shard, StoreError, Tag, ViewBatch, ViewStore,
};
use cqrs_core::{CommandError, Dispatcher};
use cqrs_kit::Subscription;
use cqrs_postgres::Postgres;
use test_postgres::Server;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::outage::writer::{account, append};
use crate::support::postgres::Schema;
use crate::support::transacting::append_in;

cqrs_core::module!();

#[derive(Debug, Serialize, thiserror::Error)]
#[error("the seat is taken")]
pub struct IsTaken;

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = IsTaken)]
pub struct TakeSeat {
    #[id(Seat)]
    pub seat: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct LeaveSeat {
    #[id(Seat)]
    pub seat: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "seat-taken", version = 1)]
pub struct SeatTaken {
    #[id(Seat)]
    pub seat: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "seat-left", version = 1)]
pub struct SeatLeft {
    #[id(Seat)]
    pub seat: u32,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Seat {
    is_taken: bool,
}

#[aggregate(id = u32)]
impl Seat {
    #[apply]
    fn taken(&mut self, _: &SeatTaken) {
        self.is_taken = true;
    }

    #[apply]
    fn left(&mut self, _: &SeatLeft) {
        self.is_taken = false;
    }
}

#[command_handler]
fn take_seat(TakeSeat { seat }: TakeSeat, state: &Seat) -> Result<SeatTaken, IsTaken> {
    ensure!(!state.is_taken, IsTaken);
    Ok(SeatTaken { seat })
}

#[command_handler]
fn leave_seat(LeaveSeat { seat }: LeaveSeat, _: &Seat) -> SeatLeft {
    SeatLeft { seat }
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct SeatView {
    #[key]
    pub seat: u32,
    pub takes: u32,
    pub leaves: u32,
}

pub struct Seats;

#[projection(name = "seats", version = 1)]
impl Seats {
    #[on]
    fn taken(event: &SeatTaken, views: &mut Views<SeatView>) -> Result<()> {
        let mut view = view_of(event.seat, views)?;
        view.takes += 1;
        views.put(view);
        Ok(())
    }

    #[on]
    fn left(event: &SeatLeft, views: &mut Views<SeatView>) -> Result<()> {
        let mut view = view_of(event.seat, views)?;
        view.leaves += 1;
        views.put(view);
        Ok(())
    }
}

fn view_of(seat: u32, views: &mut Views<SeatView>) -> Result<SeatView> {
    Ok(views.get(&seat)?.unwrap_or(SeatView {
        seat,
        takes: 0,
        leaves: 0,
    }))
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<(u32, u32, u32)>)]
pub struct AllSeats;

#[query_handler]
async fn all_seats(_: AllSeats, views: Read<SeatView>) -> Result<Vec<(u32, u32, u32)>> {
    let views = views.find().all().await?;
    let seats = views.into_iter().map(|it| (it.seat, it.takes, it.leaves));
    let mut seats: Vec<_> = seats.collect();
    // Keys are sorted as texts.
    seats.sort_unstable();
    Ok(seats)
}

async fn app(store: Postgres) -> Dispatcher {
    let builder = Dispatcher::builder().module(module()).store(store);
    builder.build().await.expect("builds")
}

async fn on_server(server: &Arc<Server>, steps: &'static [fn(&Server)]) {
    let server = server.clone();
    let done = spawn_blocking(move || steps.iter().for_each(|step| step(&server)));
    done.await.expect("the server does it");
}

async fn private(test: &'static str) -> Option<Arc<Server>> {
    let server = spawn_blocking(move || Server::private(test));
    server.await.expect("it starts").map(Arc::new)
}

const BACK_UP: &[fn(&Server)] = &[Server::kill, Server::save, Server::restart];
const FAIL_OVER: &[fn(&Server)] = &[Server::kill, Server::restore, Server::restart];

/// Appends with this tag, each with so many events.
async fn append_each(store: &Postgres, tag: &Tag, events: impl IntoIterator<Item = usize>) {
    for events in events {
        let appended = store.append(append(tag, events, None)).await;
        appended.expect("it is appended");
    }
}

async fn take(app: &Dispatcher, seats: std::ops::Range<u32>) -> Receipt {
    let mut receipt = None;
    for seat in seats {
        receipt = Some(app.execute(TakeSeat { seat }).await.expect("it is free"));
    }
    receipt.expect("there are some")
}

/// The seats as the log has them, as the read model should.
async fn seats(store: &dyn EventLog) -> Vec<(u32, u32, u32)> {
    let mut events = Events::read(store, EventQuery::All, ReadRange::after(Position::START));
    let mut seats = std::collections::BTreeMap::new();
    while let Some(event) = events.next().await.expect("it is read") {
        let SeatTaken { seat } = serde_json::from_slice(&event.data.payload).expect("an event");
        let (takes, leaves) = seats.entry(seat).or_insert((0, 0));
        match event.data.event_type.as_str() {
            "seat-taken" => *takes += 1,
            _ => *leaves += 1,
        }
        assert!(*takes <= *leaves + 1, "seat {seat} is taken twice");
    }
    let list = seats
        .into_iter()
        .map(|(seat, (takes, leaves))| (seat, takes, leaves));
    list.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_decided_or_folded_on_events_that_were_lost() {
    let test = "nothing_is_decided_or_folded_on_events_that_were_lost";
    let Some(server) = private(test).await else {
        return;
    };
    let store = Postgres::connect(server.url()).await.expect("connects");
    let before = app(store.clone()).await;
    take(&before, 1..4).await;
    on_server(&server, BACK_UP).await;
    // Lost: in memory, seat 1 is free, and so it is in the read model.
    before
        .execute(LeaveSeat { seat: 1 })
        .await
        .expect("it is done");
    let lost = take(&before, 4..10).await;
    let seen = before.query(AllSeats).after(&lost).await;
    assert_eq!(seen.expect("an answer")[0], (1, 1, 1));
    on_server(&server, FAIL_OVER).await;

    let other = Postgres::connect(server.url()).await.expect("connects");
    let after = app(other.clone()).await;
    let grown = take(&after, 20..40).await;
    assert!(grown.last() > lost.last(), "the log has grown past it");

    // It may have noticed before, by following the log.
    match before.execute(TakeSeat { seat: 1 }).await {
        Err(
            CommandError::Rejected(IsTaken)
            | CommandError::Failed(Failure::Append(AppendError::Store(StoreError::Rewound {
                ..
            }))),
        ) => {}
        other => panic!("it was decided on what is lost: {other:?}"),
    }
    let rejected = before.execute(TakeSeat { seat: 1 }).await;
    assert!(
        matches!(rejected, Err(CommandError::Rejected(IsTaken))),
        "{rejected:?}"
    );
    // Lost commands can be sent again, by either.
    let again = take(&before, 4..10).await;
    let expected = seats(&other).await;
    for app in [&before, &after] {
        let seen = app
            .query(AllSeats)
            .after(&again)
            .max_wait(Duration::from_secs(20));
        assert_eq!(seen.await.expect("an answer"), expected);
        assert!(app.health().is_ok(), "{:?}", app.health());
    }
    drop((before, after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_does_not_hide_that_the_log_was_replaced() {
    let test = "a_notification_does_not_hide_that_the_log_was_replaced";
    let Some(server) = private(test).await else {
        return;
    };
    let store = Postgres::connect(server.url()).await.expect("connects");
    on_server(&server, BACK_UP).await;
    append_each(&store, &account(1), [2; 5]).await;
    let seen = store.head().await.expect("a head");
    on_server(&server, FAIL_OVER).await;
    // The store is idle, so its first new connection is the one that listens.
    let other = Postgres::connect(server.url()).await.expect("connects");
    let later = store.heads().position().plus(1);
    while timeout(Duration::from_millis(20), store.heads().reached(later))
        .await
        .is_err()
    {
        let appended = other.append(append(&account(2), 10, None)).await;
        appended.expect("it is appended");
    }
    let refused = store.append(append(&account(3), 1, Some(seen))).await;
    assert!(
        matches!(refused, Err(AppendError::Store(StoreError::Rewound { .. }))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_says_that_its_log_was_replaced() {
    let Some(server) = private("a_store_says_that_its_log_was_replaced").await else {
        return;
    };
    let store = Postgres::connect(server.url()).await.expect("connects");
    on_server(&server, BACK_UP).await;
    append_each(&store, &account(1), [2; 5]).await;
    let seen = store.head().await.expect("a head");
    let log: Arc<dyn EventLog> = Arc::new(store.clone());
    let mut follower = Subscription::new(log, EventQuery::All, seen);
    on_server(&server, FAIL_OVER).await;
    let other = Postgres::connect(server.url()).await.expect("connects");
    append_each(&other, &account(2), [2; 10]).await;
    // The account was not written to, so only the replaced log is in the way.
    for number in [3, 4] {
        let decided = append(&account(number), 1, Some(seen));
        let refused = match number {
            3 => store.append(decided).await,
            _ => append_in(&store, decided).await,
        };
        assert!(
            matches!(refused, Err(AppendError::Store(StoreError::Rewound { .. }))),
            "{refused:?}"
        );
    }
    assert_ne!(store.heads().incarnation(), Incarnation::default());
    assert_eq!(
        store.head().await.expect("a head"),
        other.head().await.expect("a head")
    );
    let page = loop {
        match follower.next(10).await {
            // The connection was lost with the old server.
            Err(StoreError::Unavailable { .. }) => {}
            page => break page,
        }
    };
    assert!(matches!(page, Err(StoreError::Rewound { .. })), "{page:?}");
    assert!(
        store
            .capabilities()
            .tail
            .expect("it has a tail")
            .tail(&EventQuery::All, Position::new(1), 10)
            .is_none(),
        "of the old log"
    );
    // New decisions are recorded.
    let current = Boundary::new(EventQuery::tagged(account(3)), seen)
        .incarnation(store.heads().incarnation());
    let decided = append(&account(3), 1, None).boundary(current);
    store.append(decided).await.expect("it is appended");
}

/// A log that is dropped and created again while connections stay open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_created_again_is_no_conflict() {
    let test = "a_log_that_was_created_again_is_no_conflict";
    let Some(schema) = Schema::fresh(test, Postgres::options()) else {
        return;
    };
    for events in [1, 4, 9] {
        let store = schema.open().await;
        append_each(&store, &account(1), [1; 4]).await;
        let seen = store.head().await.expect("a head");
        let drop = format!("DROP SCHEMA {} CASCADE", schema.name());
        schema
            .client()
            .await
            .batch_execute(&drop)
            .await
            .expect("it is dropped");
        let other = schema.open().await;
        append_each(&other, &account(2), (0..events).map(|_| 1)).await;
        let refused = store.append(append(&account(2), 1, Some(seen))).await;
        assert!(
            matches!(refused, Err(AppendError::Store(StoreError::Rewound { .. }))),
            "{events}: {refused:?}"
        );
        let appended = store.append(append(&account(3), 1, None)).await;
        assert_eq!(appended.expect("it is appended").last.get(), events + 1);
        assert_eq!(store.heads().log_id(), other.heads().log_id());
        let drop = format!("DROP SCHEMA {} CASCADE", schema.name());
        schema
            .client()
            .await
            .batch_execute(&drop)
            .await
            .expect("it is dropped");
    }
    schema.open().await;
}

/// As when the log is restored and its read models are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_of_another_history_is_rewound() {
    let test = "a_checkpoint_of_another_history_is_rewound";
    let Some(schema) = Schema::fresh(test, Postgres::options()) else {
        return;
    };
    let store = schema.open().await;
    let appended = store.append(append(&account(1), 3, None)).await;
    let last = appended.expect("it is appended").last;
    let checkpoint = checkpoint_at(&store, last).await;
    let batch = ViewBatch {
        shard: Shard::whole("projection:seats:1"),
        epoch: Epoch::UNCLAIMED,
        from: None,
        to: checkpoint,
        incarnation: store.heads().incarnation(),
        changes: Vec::new(),
        parked: Vec::new(),
    };
    store.commit(batch).await.expect("it is committed");
    let replace = format!(
        "UPDATE {}.events SET id = gen_random_uuid() WHERE position = {last}",
        schema.name()
    );
    schema
        .client()
        .await
        .batch_execute(&replace)
        .await
        .expect("it is replaced");
    let app = app(schema.open().await).await;
    let receipt = app.execute(TakeSeat { seat: 1 }).await.expect("it is done");
    let behind = app
        .query(AllSeats)
        .after(&receipt)
        .max_wait(Duration::from_millis(500));
    let behind = behind.await.expect_err("it stands still").to_string();
    assert!(behind.contains("the log was replaced"), "{behind}");
    assert!(!app.health().is_ok());
}

/// While a program is updated process by process, one of the earlier version may go on for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_that_an_earlier_version_moved_is_not_rewound() {
    let test = "a_checkpoint_that_an_earlier_version_moved_is_not_rewound";
    let Some(schema) = Schema::fresh(test, Postgres::options()) else {
        return;
    };
    let store = schema.open().await;
    let appended = store.append(append(&account(1), 3, None)).await;
    let last = appended.expect("it is appended").last;
    let batch = |from, to| ViewBatch {
        shard: Shard::whole("projection:seats:1"),
        epoch: Epoch::UNCLAIMED,
        from,
        to,
        incarnation: store.heads().incarnation(),
        changes: Vec::new(),
        parked: Vec::new(),
    };
    let first = Position::new(1);
    store
        .commit(batch(None, checkpoint_at(&store, first).await))
        .await
        .expect("it is committed");
    // As the earlier version does it.
    let earlier = format!(
        "UPDATE {}.checkpoints SET position = {last} WHERE position = {first}",
        schema.name()
    );
    let client = schema.client().await;
    client.batch_execute(&earlier).await.expect("it is moved");
    let found = store.checkpoint(&Shard::whole("projection:seats:1")).await;
    assert_eq!(found.expect("a checkpoint"), Some(Checkpoint::from(last)));

    // The next one of this version has its event again.
    let checkpoint = checkpoint_at(&store, last).await;
    store
        .commit(batch(Some(last), checkpoint))
        .await
        .expect("it is committed");
    let found = store.checkpoint(&Shard::whole("projection:seats:1")).await;
    assert_eq!(found.expect("a checkpoint"), Some(checkpoint));
}

/// The checkpoint at this event.
async fn checkpoint_at(store: &Postgres, position: Position) -> Checkpoint {
    let after = ReadRange::after(position.before());
    let page = store.read(EventQuery::All, after).await;
    let page = page.expect("it is read");
    Checkpoint {
        position,
        last_event: Some(LastEvent::from(&*page.events[0])),
    }
}
