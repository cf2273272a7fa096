//! Events that change thousands of views.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cqrs_core::app::SubscriptionState;
use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;

use crate::support::stores::on_each;

mod stock {
    use super::{AtomicU32, Ordering};
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// How often a fold was begun since it was last asked.
    pub static RUNS: AtomicU32 = AtomicU32::new(0);

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Count {
        pub articles: Vec<u32>,
        pub panics_at: Option<u32>,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "stock-counted", version = 1)]
    pub struct StockCounted {
        pub articles: Vec<u32>,
        pub panics_at: Option<u32>,
    }

    #[command_handler]
    fn count(cmd: Count) -> StockCounted {
        StockCounted {
            articles: cmd.articles,
            panics_at: cmd.panics_at,
        }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Article {
        #[key]
        pub number: u32,
        pub counts: u32,
    }

    pub struct Articles;

    #[projection(name = "articles", version = 1)]
    impl Articles {
        #[on]
        fn counted(event: &StockCounted, articles: &mut Views<Article>) -> Result<()> {
            RUNS.fetch_add(1, Ordering::SeqCst);
            for number in &event.articles {
                let article = articles.get(number)?;
                assert!(event.panics_at != Some(*number), "article {number}");
                articles.put(Article {
                    number: *number,
                    counts: article.map_or(0, |article| article.counts) + 1,
                });
            }
            Ok(())
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Vec<u32>)]
    pub struct Counts;

    #[query_handler]
    async fn counts(_query: Counts, articles: Read<Article>) -> Result<Vec<u32>> {
        let articles = articles.find().all().await?;
        Ok(articles.iter().map(|article| article.counts).collect())
    }
}

const ARTICLES: u32 = 4000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_changes_4000_views_is_folded_a_few_times_and_not_4000_times() {
    on_each(stock::module(), |app| async move {
        stock::RUNS.store(0, Ordering::SeqCst);
        for repeated in 1..=2 {
            let count = stock::Count {
                articles: (0..ARTICLES).collect(),
                panics_at: None,
            };
            let receipt = app.execute(count).await.expect("it is counted");
            let counts = app.query(stock::Counts).after(&receipt).await;
            let counts = counts.expect("the views are there");
            assert_eq!(counts, vec![repeated; ARTICLES as usize]);
        }
        let runs = stock::RUNS.load(Ordering::SeqCst);
        assert!((2..=12).contains(&runs), "{runs} runs of two folds");
    })
    .await;
}

mod poison {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Weigh;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "weighed", version = 1)]
    pub struct Weighed;

    #[command_handler]
    fn weigh(_cmd: Weigh) -> Weighed {
        Weighed
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Weight {
        #[key]
        pub number: u32,
    }

    pub struct Weights;

    #[projection(name = "weights", version = 1)]
    impl Weights {
        #[on]
        fn weighed(_event: &Weighed, weights: &mut Views<Weight>) -> Result<()> {
            for number in 0..50 {
                weights.get(&number)?;
                assert!(number < 30, "weight {number}");
                weights.put(Weight { number });
            }
            Ok(())
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64)]
    pub struct Weighings;

    #[query_handler]
    async fn weighings(_query: Weighings, weights: Read<Weight>) -> Result<u64> {
        weights.find().count().await
    }
}

#[tokio::test]
async fn a_fold_that_panics_while_it_waits_for_views_fails_without_a_trace() {
    on_each(poison::module(), |app| async move {
        app.execute(poison::Weigh).await.expect("it is weighed");
        let error = loop {
            let health = app.health();
            if let SubscriptionState::Failing { error, .. } = &health.subscriptions[0].state {
                break error.clone();
            }
            tokio::task::yield_now().await;
        };
        assert!(error.contains("it panicked: weight 30"), "{error}");
        let count = app.query(poison::Weighings).await;
        assert_eq!(count.expect("an answer"), 0);
    })
    .await;
}

mod slow {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// Says that the fold waits on a thread, and is told to go on.
    pub static AT_TWENTY: Mutex<Option<(Sender<()>, Receiver<()>)>> = Mutex::new(None);
    /// Is told how the fold ended.
    pub static ENDED: Mutex<Option<Sender<bool>>> = Mutex::new(None);

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Sort;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "sorted", version = 1)]
    pub struct Sorted;

    #[command_handler]
    fn sort(_cmd: Sort) -> Sorted {
        Sorted
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Place {
        #[key]
        pub number: u32,
    }

    pub struct Places;

    #[projection(name = "places", version = 1)]
    impl Places {
        #[on]
        fn sorted(_: &Sorted, recorded: &Recorded, places: &mut Views<Place>) -> Result<()> {
            // Each event asks for other views.
            let first = recorded.position.get() * 100;
            for number in first..first + 20 {
                places.get(&number)?;
            }
            let waits = AT_TWENTY.lock().expect("no panic").take();
            if let Some((reached, go_on)) = waits {
                reached.send(()).expect("the test waits");
                go_on.recv().expect("the test says so");
            }
            let last = places.get(&(first + 20));
            if let Some(ended) = ENDED.lock().expect("no panic").take() {
                ended.send(last.is_ok()).expect("the test waits");
            }
            last?;
            Ok(())
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatcher_that_is_dropped_ends_a_fold_that_waits_for_a_view() {
    use std::sync::mpsc::channel;

    let directory = tempfile::tempdir().expect("a directory can be made");
    let store = Sqlite::options().readers(1);
    let store = store.open(directory.path().join("log.db")).await;
    let store = store.expect("SQLite opens");
    let (reached, at_twenty) = channel();
    let (go_on, told) = channel();
    let (ended, end) = channel();
    let app = Dispatcher::builder().module(slow::module());
    let app = app.store(store.clone()).build().await.expect("builds");
    // Until it has caught up, a new projection loads nothing.
    app.execute(slow::Sort).await.expect("it is sorted");
    let idle = app.wait_until_idle(Duration::from_secs(60)).await;
    idle.expect("comes to rest");
    *slow::AT_TWENTY.lock().expect("no panic") = Some((reached, told));
    app.execute(slow::Sort).await.expect("it is sorted");
    let wait = Duration::from_secs(60);
    let reached = tokio::task::spawn_blocking(move || at_twenty.recv_timeout(wait));
    reached.await.expect("no panic").expect("the fold waits");
    *slow::ENDED.lock().expect("no panic") = Some(ended);

    // The only thread that could load the view is busy.
    let (release, held) = channel::<()>();
    let (busy, is_busy) = channel();
    let reader = cqrs_core::store::HasReader::reader(&store);
    let holder = tokio::spawn(async move {
        let wait = move |_: &_| {
            busy.send(()).expect("the test waits");
            Ok(held.recv().is_ok())
        };
        reader.run(wait).await
    });
    let busy = tokio::task::spawn_blocking(move || is_busy.recv_timeout(wait));
    busy.await.expect("no panic").expect("the reader is busy");
    go_on.send(()).expect("the fold waits");
    drop(app);
    let end = tokio::task::spawn_blocking(move || end.recv_timeout(wait));
    let has_view = end.await.expect("no panic").expect("the fold ends");
    assert!(!has_view, "nobody loads it");
    release.send(()).expect("the reader waits");
    holder.await.expect("no panic").expect("it reads");
}
