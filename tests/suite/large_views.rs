//! Views that are large together: a projection does not have more of them in memory than it needs.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::prelude::*;

use crate::support::stores::on_each;
use crate::support::watched::WatchedViews;

cqrs_core::module!();

/// Together more than a projection has in memory.
const SCROLLS: u32 = 48;
const BYTES: usize = 1 << 20;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Write {
    scrolls: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "scroll-written", version = 1)]
pub struct Written {
    scroll: u32,
}

#[command_handler]
fn write(Write { scrolls }: Write) -> Vec<Written> {
    (0..scrolls).map(|scroll| Written { scroll }).collect()
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Scroll {
    #[key]
    number: u32,
    times: u32,
    text: String,
}

pub struct Library;

#[projection(name = "library", version = 1)]
impl Library {
    #[on]
    fn written(event: &Written, scrolls: &mut Views<Scroll>) -> Result<()> {
        let insert = || Scroll {
            number: event.scroll,
            times: 1,
            text: "x".repeat(BYTES),
        };
        scrolls.upsert(&event.scroll, insert, |scroll| scroll.times += 1)
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<u32>)]
pub struct Times;

#[query_handler]
async fn times(_: Times, scrolls: Read<Scroll>) -> Result<Vec<u32>> {
    let scrolls = scrolls.find().all().await?;
    Ok(scrolls.into_iter().map(|scroll| scroll.times).collect())
}

/// The only dispatcher on these stores, with its views watched.
async fn watched(first: &Dispatcher) -> (Dispatcher, Arc<WatchedViews>) {
    first.shutdown(LONG).await.expect("there is nothing to do");
    let store = WatchedViews::watched(first.views().expect("it has views").clone());
    let builder = Dispatcher::builder().module(module());
    let app = builder
        .log(first.log().clone())
        .views(store.clone())
        .build()
        .await;
    (app.expect("builds"), store)
}

#[tokio::test]
async fn a_page_of_events_about_large_views_is_written_in_parts() {
    on_each(module(), |first| async move {
        let (app, store) = watched(&first).await;
        let write = Write { scrolls: SCROLLS };
        app.execute(write.clone()).await.expect("writes");
        app.wait_until_idle(LONG).await.expect("comes to rest");
        assert_eq!(store.commits(), 2, "new views take as much memory");
        let (commits, loads) = (store.commits(), store.loads());

        // One page. What was written is not in memory any more, and is not all there at once.
        app.execute(write).await.expect("writes");
        app.wait_until_idle(LONG).await.expect("comes to rest");
        assert_eq!(store.loads() - loads, SCROLLS as usize);
        assert_eq!(store.commits() - commits, 2);
        let times = app.query(Times).await.expect("answers");
        assert_eq!(times, [2; SCROLLS as usize]);
        app.shutdown(LONG).await.expect("all is done");
    })
    .await;
}

#[tokio::test]
async fn small_views_stay_in_memory_from_page_to_page() {
    on_each(module(), |first| async move {
        let (app, store) = watched(&first).await;
        for _ in 0..3 {
            app.execute(Write { scrolls: 4 }).await.expect("writes");
            app.wait_until_idle(LONG).await.expect("comes to rest");
        }
        // A projection that is new loads nothing.
        assert!(store.loads() <= 4, "{} loads of 4 views", store.loads());
        let times = app.query(Times).await.expect("answers");
        assert_eq!(times, [3; 4]);
        app.shutdown(LONG).await.expect("all is done");
    })
    .await;
}
