//! The end of a watch, and of what it needs.

use std::sync::atomic::Ordering;

use cqrs_core::error::{Failure, QueryErrorKind};
use cqrs_core::prelude::*;
use tokio::runtime::Runtime;

use super::counters::Total;
use super::{LONG, error, in_memory, next, on_each_store};

fn is_shut_down(error: &QueryError) -> bool {
    matches!(error.kind(), QueryErrorKind::Failed(Failure::ShutDown))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_all_watches() {
    on_each_store(|app, runs| async move {
        let mut idle = app.watch(Total);
        let mut waiting = app.watch(Total);
        for totals in [&mut idle, &mut waiting] {
            assert_eq!(next(totals).await.output, 0);
        }
        let waiting = tokio::spawn(async move {
            let last = error(&mut waiting).await;
            (last, waiting.next().await)
        });
        // Its handler would never answer.
        runs.wait.store(true, Ordering::SeqCst);
        let mut running = app.watch(Total);
        let running = tokio::spawn(async move { error(&mut running).await });
        app.shutdown(LONG).await.expect("shuts down");
        let (last, end) = waiting.await.expect("it ends");
        assert!(is_shut_down(&last), "{last}");
        assert!(end.is_none());
        let last = running.await.expect("it ends");
        assert!(is_shut_down(&last), "{last}");
        for mut totals in [idle, app.watch(Total)] {
            assert!(is_shut_down(&error(&mut totals).await));
            assert!(totals.next().await.is_none());
        }
        runs.wait.store(false, Ordering::SeqCst);
    })
    .await;
}

/// A program that keeps nothing but the watch.
#[tokio::test]
async fn a_watch_keeps_the_dispatcher_running() {
    let (app, _) = in_memory().await;
    let mut totals = app.watch(Total);
    assert_eq!(next(&mut totals).await.output, 0);
    let log = app.log().clone();
    drop(app);
    let writer = Dispatcher::builder().module(writer::module()).log(log);
    let writer = writer.build().await.expect("builds");
    let counted = writer.execute(writer::CountElsewhere {}).await;
    counted.expect("it is counted");
    assert_eq!(next(&mut totals).await.output, 1);
}

/// A process that folds nothing.
mod writer {
    use cqrs_core::prelude::*;

    use super::super::counters::Counted;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct CountElsewhere {}

    #[command_handler]
    fn count(_: CountElsewhere) -> Counted {
        Counted { counter: 1 }
    }
}

#[test]
fn a_watch_fails_when_the_runtime_of_its_dispatcher_has_ended() {
    let first = Runtime::new().expect("a runtime");
    let (app, _) = first.block_on(in_memory());
    let second = Runtime::new().expect("a runtime");
    second.block_on(async {
        let mut totals = app.watch(Total);
        assert_eq!(next(&mut totals).await.output, 0);
        let waiting = tokio::spawn(async move {
            let last = error(&mut totals).await;
            (last, totals.next().await)
        });
        first.shutdown_background();
        let (last, end) = waiting.await.expect("it ends");
        let QueryErrorKind::NotCaughtUp(behind) = last.kind() else {
            panic!("{last}");
        };
        assert_eq!(behind.name, "sums");
        assert!(last.to_string().contains("its task has ended"), "{last}");
        assert!(end.is_none());
    });
}
