//! Projections and shards that catch up read the log once, together, load views by the page, and fold a page
//! while the one before is written.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cqrs_core::Memory;
use cqrs_core::prelude::*;
use cqrs_core::store::{
    BoxFuture, EventLog, EventPage, EventQuery, ModelSchema, ReadRange, StoreError, StoredView,
    ViewBatch, ViewCommitError, ViewStore,
};
use tokio::time::timeout;

use crate::support::decorated::{Decorated, Hooks};

mod slow_writes;

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// Wells that are measured.
mod wells {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Measure {
        pub first: u32,
        pub wells: u32,
    }

    /// The same well, again and again.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Watch {
        pub well: u32,
        pub times: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct DryUp {
        pub well: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "level-measured", version = 1)]
    pub struct LevelMeasured {
        #[id("well")]
        pub well: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "well-dried-up", version = 1)]
    pub struct WellDriedUp {
        #[id("well")]
        pub well: u32,
    }

    /// Measures a thousand times. The last well dries up.
    #[command_handler]
    fn measure(Measure { first, wells }: Measure) -> (Vec<LevelMeasured>, WellDriedUp) {
        let numbers = first..first + 999;
        let measured = numbers.map(|number| LevelMeasured {
            well: number % wells,
        });
        let well = (first + 999) % wells;
        (measured.collect(), WellDriedUp { well })
    }

    #[command_handler]
    fn watch(Watch { well, times }: Watch) -> Vec<LevelMeasured> {
        (0..times).map(|_| LevelMeasured { well }).collect()
    }

    #[command_handler]
    fn dry_up(DryUp { well }: DryUp) -> WellDriedUp {
        WellDriedUp { well }
    }
}

/// A projection that counts the measurements of each well, in order.
macro_rules! levels {
    ($module:ident $name:literal $event:ident $(partition $partition:literal)?) => {
        mod $module {
            use cqrs_core::prelude::*;

            use super::wells::$event;

            cqrs_core::module!();

            #[derive(ReadModel, Clone, Serialize, Deserialize)]
            pub struct Well {
                #[key]
                pub well: u32,
                pub events: u32,
                pub last: u64,
            }

            pub struct Wells;

            #[projection(name = $name, version = 1 $(, partition = $partition)?)]
            impl Wells {
                #[on]
                fn happened(
                    event: &$event,
                    recorded: &Recorded,
                    wells: &mut Views<Well>,
                ) -> Result<()> {
                    let (well, position) = (event.well, recorded.position.get());
                    let before = wells.get(&well)?;
                    if before.as_ref().is_some_and(|before| before.last >= position) {
                        return Err(Error::message("out of order, or twice"));
                    }
                    wells.put(Well {
                        well,
                        events: before.map_or(0, |before| before.events) + 1,
                        last: position,
                    });
                    Ok(())
                }
            }

            #[derive(Query, Clone, Serialize, Deserialize)]
            #[query(returns = u64, name = $name)]
            pub struct Total;

            #[query_handler]
            async fn total(_: Total, wells: Read<Well>) -> Result<u64> {
                let all = wells.find().take(10_000).all().await?;
                Ok(all.iter().map(|well| u64::from(well.events)).sum())
            }
        }
    };
}

levels!(divided "divided-levels" LevelMeasured partition "well");
levels!(levels "levels" LevelMeasured);
levels!(again "levels-again" LevelMeasured);
levels!(dry "dry-wells" WellDriedUp);

/// A projection that tells how far it has come.
mod told {
    use std::sync::LazyLock;

    use cqrs_core::prelude::*;
    use tokio::sync::watch;

    use super::wells::LevelMeasured;

    cqrs_core::module!();

    /// The position of the last event that was folded.
    pub static FOLDED: LazyLock<watch::Sender<u64>> = LazyLock::new(watch::Sender::default);

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Level {
        #[key]
        pub well: u32,
    }

    pub struct Levels;

    #[projection(name = "told-levels", version = 1)]
    impl Levels {
        #[on]
        fn measured(event: &LevelMeasured, recorded: &Recorded, levels: &mut Views<Level>) {
            levels.put(Level { well: event.well });
            FOLDED.send_replace(recorded.position.get());
        }
    }
}

/// Commits that wait until an event after their page is folded, if there is one.
struct Patient {
    head: u64,
}

impl Hooks<Memory> for Patient {
    fn commit<'a>(
        &'a self,
        store: &'a Memory,
        batch: ViewBatch,
    ) -> BoxFuture<'a, Result<(), ViewCommitError>> {
        Box::pin(async move {
            let to = batch.to.position.get();
            let mut folded = told::FOLDED.subscribe();
            let next = folded.wait_for(|folded| *folded > to || to + 1 >= self.head);
            if batch.changes.is_empty() || timeout(LONG, next).await.is_ok() {
                return store.commit(batch).await;
            }
            Err(ViewCommitError::Failed(unavailable()))
        })
    }
}

/// Commits of which every third fails, in turn before and after it is written.
#[derive(Default)]
struct Doubtful {
    commits: AtomicU64,
}

impl Hooks<Memory> for Doubtful {
    fn commit<'a>(
        &'a self,
        store: &'a Memory,
        batch: ViewBatch,
    ) -> BoxFuture<'a, Result<(), ViewCommitError>> {
        Box::pin(async move {
            let number = self.commits.fetch_add(1, Ordering::SeqCst);
            if number % 6 != 2 {
                store.commit(batch).await?;
            }
            if number % 3 == 2 {
                return Err(ViewCommitError::Failed(unavailable()));
            }
            Ok(())
        })
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable {
        reason: "it does not answer".into(),
    }
}

/// What a process reads and loads.
#[derive(Default)]
struct Counts {
    /// Number of events that were read to follow the log.
    events: AtomicU64,
    loads: AtomicU64,
    queries: Mutex<Vec<EventQuery>>,
}

impl Hooks<Memory> for Counts {
    fn read<'a>(
        &'a self,
        store: &'a Memory,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'a, Result<EventPage, StoreError>> {
        Box::pin(async move {
            let page = store.read(query.clone(), range).await?;
            if range.limit > 1 && query != EventQuery::NONE {
                let events = page.events.len() as u64;
                self.events.fetch_add(events, Ordering::SeqCst);
                let mut queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
                queries.push(query);
            }
            Ok(page)
        })
    }

    fn load_to_fold<'a>(
        &'a self,
        store: &'a Memory,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<StoredView>, StoreError>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        store.load_to_fold(model, keys)
    }
}

/// Appends this many thousand events, about so many wells.
async fn measure(memory: &Memory, thousands: u32, wells: u32) {
    let app = Dispatcher::builder()
        .module(wells::module())
        .store(memory.clone());
    let app = app.build().await.expect("builds");
    for number in 0..thousands {
        let first = number * 1_000;
        let measure = wells::Measure { first, wells };
        app.execute(measure).await.expect("is measured");
    }
    app.shutdown(LONG).await.expect("ends");
}

/// A process that counts what it does.
fn counting(memory: &Memory) -> (Arc<Decorated<Memory, Counts>>, cqrs_core::app::Builder) {
    hooked(memory, Counts::default())
}

fn hooked<H: Hooks<Memory>>(
    memory: &Memory,
    hooks: H,
) -> (Arc<Decorated<Memory, H>>, cqrs_core::app::Builder) {
    let store = Arc::new(Decorated {
        store: Arc::new(memory.clone()),
        hooks,
    });
    let builder = Dispatcher::builder().module(wells::module());
    (store.clone(), builder.store(store))
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_shards_that_catch_up_read_the_log_about_once() {
    let memory = Memory::new();
    let app = Dispatcher::builder()
        .module(divided::module())
        .store(memory.clone());
    let app = app.build().await.expect("builds");
    let divided = app.subscriptions().divide("divided-levels", 8).await;
    divided.expect("is divided");
    app.shutdown(LONG).await.expect("ends");
    measure(&memory, 40, 1_000).await;

    let (store, builder) = counting(&memory);
    let app = builder
        .module(divided::module())
        .build()
        .await
        .expect("builds");
    app.wait_until_idle(LONG).await.expect("catches up");
    assert_eq!(app.health().subscriptions[0].shards.len(), 8);
    let total = app.query(divided::Total).await.expect("answers");
    assert_eq!(total, 39_960, "each event once");
    let read = store.events.load(Ordering::SeqCst);
    assert!(read <= 2 * 39_960, "{read} events were read");
    assert_eq!(store.loads.load(Ordering::SeqCst), 0, "no view was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_projections_that_catch_up_read_the_log_about_once() {
    let memory = Memory::new();
    measure(&memory, 40, 1_000).await;
    let (store, builder) = counting(&memory);
    let builder = builder.module(levels::module()).module(again::module());
    let app = builder.module(dry::module()).build().await.expect("builds");
    app.wait_until_idle(LONG).await.expect("catches up");
    let totals = [
        app.query(levels::Total).await.expect("answers"),
        app.query(again::Total).await.expect("answers"),
        app.query(dry::Total).await.expect("answers"),
    ];
    assert_eq!(totals, [39_960, 39_960, 40]);
    let read = store.events.load(Ordering::SeqCst);
    assert!(read <= 80_000, "{read} events were read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_is_far_behind_reads_its_own_events() {
    let memory = Memory::new();
    measure(&memory, 40, 1_000).await;
    let (_, builder) = counting(&memory);
    let app = builder
        .module(levels::module())
        .build()
        .await
        .expect("builds");
    app.wait_until_idle(LONG).await.expect("catches up");
    app.shutdown(LONG).await.expect("ends");

    let (store, builder) = counting(&memory);
    let builder = builder.module(levels::module()).module(dry::module());
    let app = builder.build().await.expect("builds");
    app.wait_until_idle(LONG).await.expect("catches up");
    assert_eq!(app.query(dry::Total).await.expect("answers"), 40);
    let read = store.events.load(Ordering::SeqCst);
    assert!(read < 5_000, "{read} events were read");
    let queries = store.queries.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(
        queries.contains(&EventQuery::typed(["well-dried-up"])),
        "{queries:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_of_a_page_are_loaded_together() {
    let memory = Memory::new();
    measure(&memory, 2, 1_998).await;
    for builds in 0..2 {
        let (store, builder) = counting(&memory);
        let app = builder
            .module(levels::module())
            .build()
            .await
            .expect("builds");
        app.wait_until_idle(LONG).await.expect("catches up");
        app.shutdown(LONG).await.expect("ends");
        let loads = store.loads.load(Ordering::SeqCst);
        match builds {
            0 => assert_eq!(loads, 0, "there were no views"),
            _ => assert!((1..=40).contains(&loads), "{loads} loads of 1,998 views"),
        }
        measure(&memory, 2, 1_998).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_folded_while_the_one_before_is_written() {
    let memory = Memory::new();
    measure(&memory, 10, 3_000).await;
    let (_, builder) = hooked(&memory, Patient { head: 10_000 });
    let app = builder
        .module(told::module())
        .build()
        .await
        .expect("builds");
    app.wait_until_idle(LONG).await.expect("catches up");
}

/// A page that was folded on views whose write failed is folded again.
#[tokio::test(flavor = "multi_thread")]
async fn each_event_counts_once_if_the_page_before_is_not_written() {
    for wells in [10, 3_000] {
        let memory = Memory::new();
        measure(&memory, 40, wells).await;
        let (store, builder) = hooked(&memory, Doubtful::default());
        let app = builder
            .module(levels::module())
            .build()
            .await
            .expect("builds");
        app.wait_until_idle(LONG).await.expect("catches up");
        let total = app.query(levels::Total).await.expect("answers");
        assert_eq!(total, 39_960, "each event once");
        let commits = store.commits.load(Ordering::SeqCst);
        assert!(commits > 6, "{commits} commits, of which some failed");
    }
}
