//! How a dispatcher stops, and how a program waits until it has come to rest. One domain with its gates serves all tests,
//! so the file is over 500 lines.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::app::{Builder, Role, SubscriptionState, WaitError};
use cqrs_core::error::{Failure, QueryErrorKind};
use cqrs_core::prelude::*;
use cqrs_core::store::EventLogExt;
use futures_util::future::poll_immediate;
use tokio::sync::{Semaphore, mpsc};

use crate::support::stores::on_each_with;

mod orders {
    use cqrs_core::prelude::*;
    use tokio::sync::{Semaphore, mpsc};

    cqrs_core::module!();

    /// Where handlers say that they have begun, and wait until they may go on.
    pub struct Gate {
        pub begun: mpsc::UnboundedSender<&'static str>,
        pub open: Semaphore,
    }

    impl Gate {
        async fn pass(&self, what: &'static str) -> Result<()> {
            // Without a listener, the signal is not needed.
            let _ = self.begun.send(what);
            self.open.acquire().await?.forget();
            Ok(())
        }
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Place {
        pub order: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "order-was-placed", version = 1)]
    pub struct OrderPlaced {
        pub order: u32,
    }

    #[command_handler]
    fn place(Place { order }: Place) -> OrderPlaced {
        OrderPlaced { order }
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Pack {
        pub order: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "order-was-packed", version = 1)]
    pub struct OrderPacked {
        pub order: u32,
    }

    #[command_handler]
    fn pack(Pack { order }: Pack) -> OrderPacked {
        OrderPacked { order }
    }

    /// A command that takes its time.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Count;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "orders-were-counted", version = 1)]
    pub struct OrdersCounted;

    #[command_handler]
    async fn count(_: Count, gate: Service<Gate>) -> Result<OrdersCounted, CommandError<Rejected>> {
        gate.pass("count").await.map_err(CommandError::failed)?;
        Ok(OrdersCounted)
    }

    #[event_handler]
    async fn pack_it(
        event: OrderPlaced,
        recorded: &Recorded,
        gate: Service<Gate>,
        app: &Dispatcher,
    ) -> Result<()> {
        gate.pass("pack_it").await?;
        let id = CommandId::derived("pack_it", recorded.meta.id.as_uuid().as_bytes());
        // It may read, too.
        app.query(Steps).after_position(recorded.position).await?;
        let pack = Pack { order: event.order };
        app.execute(pack).id(id).caused_by(recorded).await?;
        Ok(())
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Step {
        #[key]
        position: u64,
        name: String,
    }

    pub struct StepList;

    #[projection(name = "steps", version = 1)]
    impl StepList {
        #[on]
        fn placed(event: &OrderPlaced, recorded: &Recorded, steps: &mut Views<Step>) -> Result<()> {
            if event.order == 13 {
                return Err(Error::message("no such order"));
            }
            note("placed", recorded, steps);
            Ok(())
        }

        #[on]
        fn packed(_: &OrderPacked, recorded: &Recorded, steps: &mut Views<Step>) {
            note("packed", recorded, steps);
        }

        #[on]
        fn counted(_: &OrdersCounted, recorded: &Recorded, steps: &mut Views<Step>) {
            note("counted", recorded, steps);
        }
    }

    fn note(name: &str, recorded: &Recorded, steps: &mut Views<Step>) {
        let (position, name) = (recorded.position.get(), name.to_owned());
        steps.put(Step { position, name });
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Vec<String>)]
    pub struct Steps;

    #[query_handler]
    async fn steps(_: Steps, steps: Read<Step>) -> Result<Vec<String>> {
        let steps = steps.find().all().await?;
        Ok(steps.into_iter().map(|step| step.name).collect())
    }
}

use orders::{Count, Gate, Pack, Place, StepList, Steps};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

fn gate(open: usize) -> (Arc<Gate>, mpsc::UnboundedReceiver<&'static str>) {
    let (begun, receiver) = mpsc::unbounded_channel();
    let open = Semaphore::new(open);
    (Arc::new(Gate { begun, open }), receiver)
}

async fn other(app: &Dispatcher, gate: &Arc<Gate>) -> Dispatcher {
    let builder = Dispatcher::builder().module(orders::module());
    let builder = builder.provide(gate.clone());
    let builder = builder.stores_of(app);
    builder.build().await.expect("builds")
}

/// A dispatcher per store whose handlers pass without waiting.
fn with_open_gate(builder: Builder) -> Builder {
    builder.provide(gate(1000).0)
}

#[tokio::test]
async fn a_shutdown_finishes_what_has_begun_and_begins_nothing() {
    on_each_with(orders::module(), with_open_gate, |first| async move {
        // The first dispatcher only has the store.
        first.shutdown(LONG).await.expect("there is nothing to do");
        let (gate, mut begun) = gate(0);
        let app = other(&first, &gate).await;
        app.execute(Place { order: 1 }).await.expect("is recorded");
        assert_eq!(begun.recv().await, Some("pack_it"));
        app.execute(Place { order: 2 }).await.expect("is recorded");
        let counting = tokio::spawn({
            let app = app.clone();
            async move { app.execute(Count).await }
        });
        assert_eq!(begun.recv().await, Some("count"));

        let stopping = tokio::spawn({
            let app = app.clone();
            async move { app.shutdown(LONG).await }
        });
        let refused = loop {
            if let Err(error) = app.query(Steps).await {
                break error;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(
            refused.to_string(),
            "the dispatcher is shut down: nothing was done"
        );
        let refused = app
            .execute(Pack { order: 9 })
            .await
            .expect_err("is refused");
        assert!(
            matches!(refused, CommandError::Failed(Failure::ShutDown)),
            "{refused}"
        );
        let refused = app.execute_json("Pack", br#"{"order":9}"#).await;
        let refused = refused.expect_err("is refused");
        assert!(
            matches!(refused, CommandError::Failed(Failure::ShutDown)),
            "{refused}"
        );
        assert!(app.query_json("Steps", b"").await.is_err());
        assert!(!stopping.is_finished(), "two handlers have not ended");

        gate.open.add_permits(2);
        counting.await.expect("no panic").expect("was under way");
        stopping.await.expect("no panic").expect("all is done");
        let health = app.health();
        assert!(!health.is_ok());
        for subscription in &health.subscriptions {
            let SubscriptionState::Ended { reason } = &subscription.state else {
                panic!("{subscription:?}");
            };
            assert_eq!(reason, "the dispatcher was shut down");
        }
        assert_eq!(begun.try_recv().ok(), None, "the second order waits");
        app.shutdown(Duration::ZERO)
            .await
            .expect("a second time does no harm");

        // The views are written, and the second order comes with the next start.
        let log = app.events(cqrs_core::store::EventQuery::All).all().await;
        assert_eq!(log.expect("reads").len(), 4);
        let next = other(&first, &gate).await;
        let mut steps = next.query(Steps).await.expect("answers");
        steps.sort_unstable();
        assert_eq!(steps, ["counted", "packed", "placed", "placed"]);
        gate.open.add_permits(1);
        assert_eq!(begun.recv().await, Some("pack_it"));
        let head = next.wait_until_idle(LONG).await.expect("comes to rest");
        assert_eq!(head, Position::new(5));
        next.shutdown(LONG).await.expect("all is done");
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_names_what_has_not_finished_in_time() {
    on_each_with(orders::module(), with_open_gate, |first| async move {
        first.shutdown(LONG).await.expect("there is nothing to do");
        let (gate, mut begun) = gate(0);
        let app = other(&first, &gate).await;
        app.execute(Place { order: 13 }).await.expect("is recorded");
        assert_eq!(begun.recv().await, Some("pack_it"));
        let counting = tokio::spawn({
            let app = app.clone();
            async move { app.execute(Count).await }
        });
        assert_eq!(begun.recv().await, Some("count"));
        let error = app.shutdown(Duration::from_millis(50)).await;
        let error = error.expect_err("three have not finished").to_string();
        for part in [
            "1 command is under way",
            "projection `steps` is at position 0 of 1 (`placed` failed at the event at position 1",
            "reaction `pack_it` is at position 0 of 1",
        ] {
            assert!(error.contains(part), "{error} does not contain {part}");
        }
        // The command is still there, and its caller has it.
        gate.open.add_permits(1);
        counting.await.expect("no panic").expect("is recorded");
        let again = app.shutdown(LONG).await.expect_err("views are not written");
        assert_eq!(
            (again.commands, again.subscriptions.len()),
            (0, 1),
            "{again}"
        );
    })
    .await;
}

/// Whoever waits for read models that do not get further is told why, like those who ask later.
#[tokio::test]
async fn a_query_that_still_waits_fails_with_the_shutdown() {
    on_each_with(orders::module(), with_open_gate, |app| async move {
        app.execute(Place { order: 1 }).await.expect("is recorded");
        let rest = app.wait_until_idle(LONG).await.expect("comes to rest");
        let next = rest.plus(1);
        let query = app.query(Steps).after_position(next).max_wait(LONG);
        let mut waiting = query.into_future();
        let is_pending = poll_immediate(&mut waiting).await.is_none();
        assert!(is_pending, "there is no such event");
        app.shutdown(LONG).await.expect("all is done");
        let error = waiting.await.expect_err("nobody gets there");
        assert!(
            matches!(error.kind(), QueryErrorKind::Failed(Failure::ShutDown)),
            "{error}"
        );
    })
    .await;
}

/// It is the projection that keeps this query from an answer, and not the shutdown that has begun.
#[tokio::test]
async fn a_projection_that_is_paused_during_a_shutdown_keeps_its_own_error() {
    on_each_with(orders::module(), with_open_gate, |first| async move {
        first.shutdown(LONG).await.expect("there is nothing to do");
        let (gate, mut begun) = gate(0);
        let app = other(&first, &gate).await;
        app.execute(Place { order: 1 }).await.expect("is recorded");
        assert_eq!(begun.recv().await, Some("pack_it"));
        let query = app.query(Steps).after_position(Position::new(9));
        let mut waiting = query.max_wait(LONG).into_future();
        assert!(poll_immediate(&mut waiting).await.is_none());
        let mut stopping = pin!(app.shutdown(LONG));
        assert!(poll_immediate(&mut stopping).await.is_none());
        assert!(app.query(Steps).await.is_err(), "the shutdown has begun");
        let paused = app.subscriptions().pause("steps", "inventory").await;
        paused.expect("is paused");
        let error = waiting.await.expect_err("nobody gets there");
        let QueryErrorKind::NotCaughtUp(behind) = error.kind() else {
            panic!("{error}");
        };
        assert_eq!(behind.paused.as_deref(), Some("inventory"));
        gate.open.add_permits(1);
        let _ = stopping.await;
    })
    .await;
}

/// The command is carried out all the same.
#[tokio::test]
async fn a_command_that_still_waits_for_a_projection_tells_of_the_shutdown() {
    on_each_with(orders::module(), with_open_gate, |first| async move {
        first.shutdown(LONG).await.expect("there is nothing to do");
        // Nobody handles the events.
        let app = Dispatcher::builder().module(orders::module());
        let app = app.provide(gate(0).0).stores_of(&first);
        let app = app.roles([Role::Commands, Role::Queries]).build().await;
        let app = app.expect("builds");
        let before = app.log().head().await.expect("is read");
        let place = app.execute(Place { order: 1 });
        let place = place.and_wait_for::<StepList>().max_wait(LONG);
        let mut waiting = place.into_future();
        while app.log().heads().position() == before {
            assert!(poll_immediate(&mut waiting).await.is_none());
            tokio::task::yield_now().await;
        }
        let (waited, _) = tokio::join!(waiting, app.shutdown(LONG));
        let error = waited.expect_err("nobody gets there");
        let text = error.to_string();
        assert!(
            text.ends_with(" failed: the dispatcher was shut down"),
            "{text}"
        );
        let WaitError::Recorded { error, .. } = error else {
            panic!("it is carried out: {error}");
        };
        assert!(
            matches!(error.kind(), QueryErrorKind::Failed(Failure::ShutDown)),
            "{error}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_chain_of_reactions_comes_to_rest() {
    on_each_with(orders::module(), with_open_gate, |app| async move {
        let rest = app.wait_until_idle(LONG).await.expect("nothing is at work");
        assert_eq!(rest, Position::START);
        for order in 0..5 {
            app.execute(Place { order }).await.expect("is recorded");
        }
        let rest = app.wait_until_idle(LONG).await.expect("comes to rest");
        assert_eq!(rest, Position::new(10));
        assert_eq!(app.query(Steps).await.expect("answers").len(), 10);
        app.execute(Place { order: 13 }).await.expect("is recorded");
        let error = app.wait_until_idle(Duration::from_millis(500)).await;
        let error = error.expect_err("one event fails").to_string();
        let part = "projection `steps` is at position 10 of 1";
        assert!(error.contains(part), "{error}");
        assert!(
            error.contains("`placed` failed at the event at position 11"),
            "{error}"
        );
        assert!(!app.health().is_ok());
    })
    .await;
}

mod endless {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Ping;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "pinged-for-ever", version = 1)]
    pub struct Pinged;

    #[command_handler]
    fn ping(_: Ping) -> Pinged {
        Pinged
    }

    #[event_handler]
    async fn answer(_: Pinged, app: &Dispatcher) -> Result<()> {
        app.execute(Ping).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_chain_without_an_end_does_not_come_to_rest_and_is_shut_down() {
    on_each_with(
        endless::module(),
        |builder| builder,
        |app| async move {
            app.execute(endless::Ping).await.expect("is recorded");
            let error = app.wait_until_idle(Duration::from_millis(50)).await;
            error.expect_err("it goes on and on");
            app.shutdown(LONG)
                .await
                .expect("no reaction begins any more");
        },
    )
    .await;
}

/// Handlers that wait for all handlers to end.
mod impatient {
    use std::sync::OnceLock;
    use std::time::Duration;

    use cqrs_core::app::Unfinished;
    use cqrs_core::prelude::*;
    use tokio::sync::mpsc;

    cqrs_core::module!();

    /// Where handlers say what became of their waiting.
    pub struct Desk {
        pub told: mpsc::UnboundedSender<(&'static str, Option<String>)>,
        /// For those that do not get it from the framework.
        pub app: OnceLock<Dispatcher>,
    }

    impl Desk {
        async fn wait(&self, handler: &'static str, app: &Dispatcher) {
            let tell = |error: Option<Unfinished>| {
                let text = error.map(|error| error.to_string());
                self.told.send((handler, text)).expect("the test listens");
            };
            tell(app.wait_until_idle(Duration::MAX).await.err());
            tell(app.shutdown(Duration::MAX).await.err());
        }
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Leave {
        pub at: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "left-the-desk", version = 1)]
    pub struct Left {
        pub at: u32,
    }

    #[command_handler]
    async fn leave(Leave { at }: Leave, desk: Service<Desk>) -> Left {
        let app = desk.app.get().expect("the test has set it").clone();
        desk.wait("leave", &app).await;
        Left { at }
    }

    #[event_handler]
    async fn lock(_: Left, desk: Service<Desk>, app: &Dispatcher) {
        desk.wait("lock", app).await;
    }
}

#[tokio::test]
async fn a_handler_that_waits_for_its_own_end_is_refused() {
    use impatient::{Desk, Leave};

    let desk = || {
        let (told, listener) = mpsc::unbounded_channel();
        let app = std::sync::OnceLock::new();
        (Arc::new(Desk { told, app }), listener)
    };
    let with_desk = |builder: Builder| builder.provide(desk().0);
    on_each_with(impatient::module(), with_desk, |first| async move {
        // The first dispatcher only has the store.
        first.shutdown(LONG).await.expect("there is nothing to do");
        let (desk, mut listener) = desk();
        let builder = Dispatcher::builder().module(impatient::module());
        let builder = builder.provide(desk.clone());
        let builder = builder.stores_of(&first);
        let app = builder.build().await.expect("builds");
        assert!(desk.app.set(app.clone()).is_ok());
        app.execute(Leave { at: 6 }).await.expect("leaves");
        for handler in ["leave", "leave", "lock", "lock"] {
            let (told, text) = listener.recv().await.expect("is told");
            assert_eq!(told, handler);
            let text = text.expect("is refused");
            let expected = format!("`{handler}` would wait for its own end: ");
            assert!(text.starts_with(&expected), "{text}");
        }
        // Nothing has stopped, and from outside both work.
        app.wait_until_idle(LONG).await.expect("comes to rest");
        app.shutdown(LONG).await.expect("all is done");
    })
    .await;
}
