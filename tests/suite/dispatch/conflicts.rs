//! Decisions at the same time, and decisions that are dropped.

use std::sync::Arc;

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::EventLogExt as _;
use tokio::sync::Notify;

use super::{Calls, module, services};
use crate::support::race;
use crate::support::stores::on_each_with;

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Count {
    #[id(Tally)]
    tally: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "tally-counted", version = 1)]
pub struct TallyCounted {
    #[id(Tally)]
    tally: u32,
    count: u32,
}

#[derive(Default)]
pub struct Tally {
    count: u32,
}

#[aggregate(id = u32)]
impl Tally {
    #[apply]
    fn counted(&mut self, event: &TallyCounted) {
        self.count = event.count;
    }
}

/// Lets a test hold a decision between its read and its append.
#[derive(Default)]
pub struct Gate {
    reached: Notify,
    open: Notify,
}

#[command_handler]
async fn count(cmd: Count, tally: &Tally, gate: Service<Gate>) -> TallyCounted {
    if cmd.tally == 0 {
        gate.reached.notify_one();
        gate.open.notified().await;
    }
    TallyCounted {
        tally: cmd.tally,
        count: tally.count + 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conflicts_are_retried() {
    on_each_with(module(), services, |app| async move {
        race(32, |_| {
            let app = app.clone();
            async move { app.execute(Count { tally: 1 }).await.expect("counts") }
        })
        .await;
        assert_eq!(app.state::<Tally>(&1).await.expect("reads").count, 32);
    })
    .await;
}

#[tokio::test]
async fn a_conflict_is_returned_after_the_last_attempt() {
    let gate = Arc::new(Gate::default());
    let once = |builder: Builder| {
        builder
            .provide(Arc::new(Calls::default()))
            .provide(gate.clone())
            .attempts(1)
    };
    on_each_with(module(), once, |app| {
        let gate = gate.clone();
        async move {
            let held = tokio::spawn({
                let app = app.clone();
                async move { app.execute(Count { tally: 0 }).await }
            });
            gate.reached.notified().await;
            // In one dispatcher it would wait for the first.
            let builder = Dispatcher::builder().module(module());
            let other = once(builder.stores_of(&app));
            let other = other.build().await.expect("builds");
            let rival = tokio::spawn(async move { other.execute(Count { tally: 0 }).await });
            gate.reached.notified().await;
            gate.open.notify_waiters();
            let outcomes = [held.await.expect("ends"), rival.await.expect("ends")];
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
            match outcomes.into_iter().find_map(Result::err) {
                Some(CommandError::Conflict { at, attempts }) => {
                    assert_eq!((at.get(), attempts), (1, 1));
                }
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}

/// Not a failure, which somebody would be woken up for, nor a conflict, which the same command may overcome.
#[tokio::test]
async fn a_command_for_what_was_seen_is_refused_once_others_have_changed_it() {
    on_each_with(module(), services, |app| async move {
        let first = app.execute(Count { tally: 1 }).await.expect("counts");
        app.execute(Count { tally: 2 }).await.expect("counts");
        // What has happened to others does not matter.
        let call = app.execute(Count { tally: 1 });
        let second = call.unchanged_since(first.last()).await.expect("counts");
        for _ in 0..2 {
            let call = app.execute(Count { tally: 1 });
            let refused = call.unchanged_since(first.last()).await;
            let Err(CommandError::Moved { at, since }) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!((at, since), (second.last(), first.last()));
        }
        assert_eq!(app.state::<Tally>(&1).await.expect("reads").count, 2);
        let head = app.log().head().await.expect("reads");
        assert_eq!(head, second.last(), "nothing was recorded");
    })
    .await;
}

#[tokio::test]
async fn a_call_dropped_at_any_await_leaves_nothing_half_done() {
    let gate = Arc::new(Gate::default());
    let with_gate = |builder: Builder| {
        builder
            .provide(Arc::new(Calls::default()))
            .provide(gate.clone())
    };
    on_each_with(module(), with_gate, |app| async move {
        // Polled 0, 1, 2, .. times, then dropped; the same id then tells what became of it.
        for polls in 0.. {
            let id = CommandId::new();
            let before = app.state::<Tally>(&1).await.expect("reads").count;
            let mut call = Box::pin(app.execute(Count { tally: 1 }).id(id).into_future());
            let mut done = false;
            for _ in 0..polls {
                let polled = std::future::poll_fn(|context| {
                    std::task::Poll::Ready(call.as_mut().poll(context))
                });
                if polled.await.is_ready() {
                    done = true;
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(call);
            app.execute(Count { tally: 1 })
                .id(id)
                .await
                .expect("counts, now or before");
            let after = app.state::<Tally>(&1).await.expect("reads").count;
            assert_eq!(after, before + 1, "after {polls} polls");
            if done {
                break;
            }
        }
    })
    .await;
}
