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

/// The most such times until both ask the same.
const PERIODS: usize = 6;

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

/// What a program has asked its stores so far.
struct Asked {
    /// Reads of the log, or all queries where they are not told apart.
    reads: usize,
    /// Calls of the view store.
    views: usize,
}

/// Both look for news four times a second, and for other processes now and then. Costs of deadlines would be there in each
/// period, unlike the end of earlier work, and looks that a busy machine delays.
async fn assert_equal_while_idle(counts: impl Fn() -> [Asked; 2]) {
    let mut periods = Vec::new();
    for _ in 0..PERIODS {
        let before = counts();
        tokio::time::sleep(IDLE).await;
        let after = counts();
        let [of_few, of_many] = [0, 1].map(|place| after[place].reads - before[place].reads);
        let are_views_asked = [0, 1].map(|place| after[place].views > before[place].views);
        assert!(of_few > 0, "nobody looks for news");
        if of_few.abs_diff(of_many) <= 3 && are_views_asked == [false; 2] {
            println!("{of_few} and {of_many} idle queries in {IDLE:?}, after {periods:?}");
            return;
        }
        periods.push(([of_few, of_many], are_views_asked));
    }
    panic!("idle queries in {IDLE:?}, and whether views are asked: {periods:?}");
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
    assert_equal_while_idle(|| {
        [0, 1].map(|place| {
            let (_, log, views, _) = &stores[place];
            Asked {
                reads: log.reads(),
                views: views.loads() + views.commits() + views.scans(),
            }
        })
    })
    .await;
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
    assert_equal_while_idle(|| {
        [0, 1].map(|place| Asked {
            reads: stores[place].0.load(Ordering::Relaxed),
            views: 0,
        })
    })
    .await;
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
