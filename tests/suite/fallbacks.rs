//! A decision that loses against another process begins again with the state that it has read last, and reads the
//! events since. That takes a copy, so the state has to be `Clone`.

use std::sync::Arc;

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::{Append, EventData, EventType, Tag};
use cqrs_core::{CommandId, Dispatcher};
use futures_util::future::join_all;

use crate::support::stores::on_each_twice;
use crate::support::watched::WatchedLog;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Climb {
    #[id(Ladder)]
    ladder: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "climbed", version = 1)]
pub struct Climbed {
    #[id(Ladder)]
    ladder: u32,
    #[id(Shaft)]
    shaft: u32,
    /// The rung that the decision saw as the next one.
    rung: u64,
}

#[derive(Clone, Default)]
pub struct Ladder {
    rungs: u64,
}

#[aggregate(id = u32)]
impl Ladder {
    #[apply]
    fn climbed(&mut self, event: &Climbed) {
        self.rungs += 1;
        assert_eq!(
            event.rung, self.rungs,
            "each event is folded once, in order"
        );
    }
}

#[command_handler]
fn climb(cmd: Climb, ladder: &Ladder) -> Climbed {
    Climbed {
        ladder: cmd.ladder,
        shaft: cmd.ladder,
        rung: ladder.rungs + 1,
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct LoseGrip {
    #[id(Ladder)]
    ladder: u32,
}

#[command_handler]
fn lose_grip(_: LoseGrip, _: &Ladder) -> Climbed {
    panic!("of the test")
}

/// Its event is not of the next rung.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Stumble {
    #[id(Ladder)]
    ladder: u32,
}

#[command_handler]
fn stumble_on(cmd: Stumble, ladder: &Ladder) -> Climbed {
    Climbed {
        ladder: cmd.ladder,
        shaft: cmd.ladder,
        rung: ladder.rungs,
    }
}

/// The same of a state that cannot be copied.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct ClimbOut {
    #[id(Shaft)]
    shaft: u32,
}

#[derive(Default)]
pub struct Shaft {
    rungs: u64,
}

#[aggregate(id = u32)]
impl Shaft {
    #[apply]
    fn climbed(&mut self, event: &Climbed) {
        self.rungs += 1;
        assert_eq!(
            event.rung, self.rungs,
            "each event is folded once, in order"
        );
    }
}

#[command_handler]
fn climb_out(cmd: ClimbOut, shaft: &Shaft) -> Climbed {
    Climbed {
        ladder: cmd.shaft,
        shaft: cmd.shaft,
        rung: shaft.rungs + 1,
    }
}

/// The same of a state with snapshots.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct ClimbUp {
    #[id(Mast)]
    mast: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "climbed-up", version = 1)]
pub struct ClimbedUp {
    #[id(Mast)]
    mast: u32,
    rung: u64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Mast {
    rungs: u64,
}

#[aggregate(id = u32, snapshot_every = 7)]
impl Mast {
    #[apply]
    fn climbed_up(&mut self, event: &ClimbedUp) {
        self.rungs += 1;
        assert_eq!(
            event.rung, self.rungs,
            "each event is folded once, in order"
        );
    }
}

#[command_handler]
fn climb_up(cmd: ClimbUp, mast: &Mast) -> ClimbedUp {
    ClimbedUp {
        mast: cmd.mast,
        rung: mast.rungs + 1,
    }
}

const HISTORY: u64 = 1_000;

/// A log with many events of ladder 1 and shaft 1.
async fn fill(app: &Dispatcher) {
    let event = |rung| EventData {
        event_type: EventType::new("climbed"),
        version: 1,
        tags: [Tag::new("ladder", 1), Tag::new("shaft", 1)]
            .into_iter()
            .collect(),
        payload: format!(r#"{{"ladder":1,"shaft":1,"rung":{rung}}}"#).into_bytes(),
    };
    let history = Append::new(CommandId::new(), (1..=HISTORY).map(event).collect());
    app.log().append(history).await.expect("appends");
}

/// Two processes on the log, the second one with its reads counted.
async fn two_processes([first, second]: [Builder; 2]) -> (Dispatcher, Dispatcher, Arc<WatchedLog>) {
    let first = first.build().await.expect("builds");
    let second = second.build().await.expect("builds");
    let log = WatchedLog::watched(second.log().clone());
    let builder = Dispatcher::builder().module(module()).log(log.clone());
    (first, builder.build().await.expect("builds"), log)
}

#[tokio::test]
async fn a_decision_that_loses_again_reads_the_events_since_its_last_read() {
    on_each_twice(module(), |builders| async move {
        let (other, app, log) = two_processes(builders).await;
        fill(&app).await;
        let climb = Climb { ladder: 1 };
        // The second of these loses for the first time, and reads all events.
        for _ in 0..2 {
            app.execute(climb.clone()).await.expect("climbs");
            other.execute(climb.clone()).await.expect("climbs");
        }
        app.execute(climb.clone()).await.expect("climbs");
        let before = log.events();
        for _ in 0..10 {
            other.execute(climb.clone()).await.expect("climbs");
            app.execute(climb.clone()).await.expect("climbs");
        }
        let read = log.events() - before;
        // In each turn, that of the other process, and an own one since the last read.
        assert!((10..=30).contains(&read), "{read} events");
        let ladder = other.state::<Ladder>(&1).await.expect("a state");
        assert_eq!(ladder.rungs, HISTORY + 25);
    })
    .await;
}

#[tokio::test]
async fn after_a_panic_all_is_read() {
    on_each_twice(module(), |builders| async move {
        let (other, app, log) = two_processes(builders).await;
        fill(&app).await;
        let climb = Climb { ladder: 1 };
        for _ in 0..3 {
            other.execute(climb.clone()).await.expect("climbs");
            app.execute(climb.clone()).await.expect("climbs");
        }
        let before = log.events() as u64;
        app.execute(LoseGrip { ladder: 1 })
            .await
            .expect_err("panics");
        app.execute(climb.clone()).await.expect("climbs");
        assert!(
            log.events() as u64 >= before + HISTORY,
            "{} events",
            log.events()
        );
    })
    .await;
}

/// Sends three commands that fail: the first one loses, the second one keeps a copy if there is room.
async fn stumble(app: &Dispatcher) {
    for _ in 0..3 {
        let stumble = app.execute(Stumble { ladder: 1 }).await;
        stumble.expect_err("no state folds its event");
    }
}

#[tokio::test]
async fn a_copy_counts_for_the_size_of_the_cache() {
    on_each_twice(module(), |[first, second]| async move {
        let (_, app, log) = two_processes([first, second]).await;
        fill(&app).await;
        stumble(&app).await;
        let is_kept = log.events() as u64 == 2 * HISTORY;
        assert!(is_kept, "{} events", log.events());
        assert!(app.health().state_cache.bytes > 0);

        let builder = Dispatcher::builder().module(module()).log(log.clone());
        let app = builder.state_cache_bytes(0).build().await.expect("builds");
        let before = log.events() as u64;
        stumble(&app).await;
        assert_eq!(log.events() as u64 - before, 3 * HISTORY);
    })
    .await;
}

#[tokio::test]
async fn without_a_copy_it_reads_all() {
    on_each_twice(module(), |builders| async move {
        let (other, app, log) = two_processes(builders).await;
        fill(&app).await;
        let climb = ClimbOut { shaft: 1 };
        for turn in 1..=3 {
            other.execute(climb.clone()).await.expect("climbs");
            app.execute(climb.clone()).await.expect("climbs");
            assert!(
                log.events() as u64 > turn * HISTORY,
                "{} events",
                log.events()
            );
        }
    })
    .await;
}

#[tokio::test]
async fn processes_that_lose_often_fold_each_event_once() {
    const COMMANDS: u64 = 60;
    on_each_twice(module(), |builders| async move {
        let [first, second] = builders.map(|builder| builder.attempts(1_000));
        let apps = [first.build().await, second.build().await];
        let apps = apps.map(|app| app.expect("builds"));
        let calls = (0..COMMANDS).flat_map(|_| &apps).map(|app| async {
            app.execute(Climb { ladder: 2 }).await.expect("climbs");
            app.execute(ClimbOut { shaft: 3 }).await.expect("climbs");
            app.execute(ClimbUp { mast: 1 }).await.expect("climbs");
        });
        join_all(calls).await;
        for app in &apps {
            let rungs = [
                app.state::<Ladder>(&2).await.expect("a state").rungs,
                app.state::<Shaft>(&3).await.expect("a state").rungs,
                app.state::<Mast>(&1).await.expect("a state").rungs,
            ];
            assert_eq!(rungs, [2 * COMMANDS; 3]);
        }
    })
    .await;
}
