//! What many deadlines that are pending cost, and many that are due at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventLog, ViewStore};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use super::recorded;
use crate::outage::proxy::Proxy;
use crate::support::postgres::Schema;
use crate::support::watched::{WatchedLog, WatchedViews};
use seats::{Book, HOLD};

/// Seats that are booked together, and held for an hour.
mod seats {
    use std::time::Duration;

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Book {
        pub seats: Vec<u32>,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "seats-booked", version = 1)]
    pub struct Booked {
        #[id("seat", each)]
        pub seats: Vec<u32>,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "hold-ended", version = 1)]
    pub struct HoldEnded {
        #[id("seat")]
        pub seat: u32,
    }

    #[command_handler]
    fn book(Book { seats }: Book) -> Booked {
        Booked { seats }
    }

    pub const HOLD: Duration = Duration::from_secs(3600);

    #[derive(Debug, Default, Serialize, Deserialize)]
    pub struct Hold;

    #[process_manager(name = "hold", id("seat" = u32))]
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "an id may be any type")]
    impl Hold {
        #[start]
        fn booked(&mut self, _: &Booked, id: &u32) -> Deadline<HoldEnded> {
            Deadline::after(HoldEnded { seat: *id }, HOLD)
        }

        #[due]
        fn ended(&mut self, _: &HoldEnded) -> End {
            End
        }
    }
}

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(120);

/// The time in which nothing happens, which is what is measured.
const IDLE: Duration = Duration::from_secs(3);

/// The most ids that an event has.
const TOGETHER: usize = 64;

fn builder() -> Builder {
    Dispatcher::builder().module(seats::module())
}

/// Begins this many instances, each of which waits for its deadline.
async fn book(app: &Dispatcher, count: u32) {
    let began = Instant::now();
    let all: Vec<u32> = (0..count).collect();
    for seats in all.chunks(TOGETHER) {
        let seats = seats.to_vec();
        app.execute(Book { seats }).await.expect("books");
    }
    app.wait_until_idle(LONG).await.expect("comes to rest");
    println!("{count} deadlines are set after {:?}", began.elapsed());
}

/// What both programs ask while nothing happens, in the same time: how often they look for news depends on how long that
/// is, and on what else the machine does.
async fn while_idle<T>(counts: impl Fn() -> T) -> [T; 2] {
    // What the work has left behind.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = counts();
    tokio::time::sleep(IDLE).await;
    [before, counts()]
}

/// The calls of a view store so far.
fn calls(views: &WatchedViews) -> [usize; 3] {
    [views.loads(), views.commits(), views.scans()]
}

/// Both look for news four times a second, and for other processes now and then.
fn assert_equal([before, after]: [[usize; 2]; 2]) {
    let asked = [0, 1].map(|place| after[place] - before[place]);
    println!("{asked:?} idle queries in {IDLE:?}");
    let [of_few, of_many] = asked;
    assert!(of_few > 0 && of_few.abs_diff(of_many) <= 3, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_pending_deadlines_cost_no_more_idle_queries_than_ten() {
    let mut stores = Vec::new();
    for count in [10, 100_000] {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("log.db");
        let sqlite = Arc::new(Sqlite::open(path).await.expect("SQLite opens"));
        let log = WatchedLog::watched(sqlite.clone() as Arc<dyn EventLog>);
        let views = WatchedViews::watched(sqlite as Arc<dyn ViewStore>);
        let app = builder().log(log.clone()).views(views.clone());
        let app = app.build().await.expect("builds");
        book(&app, count).await;
        stores.push((app, log, views, directory));
    }
    let counts = || [0, 1].map(|place| (stores[place].1.reads(), calls(&stores[place].2)));
    let idle = while_idle(counts).await;
    let [before, after] = idle.map(|counts| counts.map(|(_, calls)| calls));
    assert_eq!(before, after, "the view stores are asked nothing");
    assert_equal(idle.map(|counts| counts.map(|(reads, _)| reads)));
    for ((app, ..), count) in stores.iter().zip([10, 100_000]) {
        let last = app.process::<seats::Hold>(&(count - 1)).await;
        let last = last.expect("reads").expect("it is held");
        assert_eq!(last.deadlines.len(), 1, "{last:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pending_deadlines_cost_no_more_round_trips_than_ten() {
    let mut stores = Vec::new();
    for count in [10, 20_000] {
        let name = format!("pending_deadlines_{count}");
        let Some(schema) = Schema::fresh(&name, Postgres::options()) else {
            return;
        };
        // Each connection begins with a message that names the user.
        let (proxy, waits) = Proxy::counting_waits(schema.url(), "user").await;
        let store = schema.options().connect(&proxy.url(schema.url())).await;
        let app = builder().store(store.expect("it connects")).build().await;
        let app = app.expect("builds");
        book(&app, count).await;
        stores.push((waits, app, proxy, schema));
    }
    let counts = || [0, 1].map(|place| stores[place].0.load(Ordering::Relaxed));
    assert_equal(while_idle(counts).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_that_are_due_at_once_are_handled() {
    const SEATS: u32 = 5_000;
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let sqlite = Sqlite::open(path).await.expect("SQLite opens");
    let elapsed = Arc::new(AtomicU64::new(0));
    let ahead = elapsed.clone();
    let clock = move || Timestamp::now() + Duration::from_secs(ahead.load(Ordering::SeqCst));
    let app = builder().store(sqlite).clock(clock);
    let app = app.build().await.expect("builds");
    book(&app, SEATS).await;
    let began = Instant::now();
    elapsed.store(HOLD.as_secs(), Ordering::SeqCst);
    recorded(&app, "hold-ended", SEATS as usize).await;
    let fired = began.elapsed();
    app.wait_until_idle(LONG).await.expect("comes to rest");
    println!(
        "all are recorded after {fired:?}, and handled after {:?}",
        began.elapsed()
    );
    for seat in [0, SEATS - 1] {
        let held = app.process::<seats::Hold>(&seat).await.expect("reads");
        assert!(held.is_some_and(|it| it.ended.is_some()), "{seat}");
    }
}
