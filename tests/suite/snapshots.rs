//! Snapshots never change a decision: there or not, old, of another program, or overtaken.

use std::sync::Arc;

use cqrs_core::CommandId;
use cqrs_core::prelude::*;
use cqrs_core::store::{Append, EventLog, StateKey, StateWrite};

use crate::support::race;
use crate::support::stores::{on_each, with_caches};

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Take {
    #[id(Jar)]
    jar: u32,
    sweets: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Fill {
    #[id(Jar)]
    jar: u32,
    sweets: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "taken-from-jar", version = 1)]
pub struct TakenFromJar {
    #[id(Jar)]
    jar: u32,
    /// What the decision thought was left.
    left: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "filled-into-jar", version = 1)]
pub struct FilledIntoJar {
    #[id(Jar)]
    jar: u32,
    left: u32,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Jar {
    sweets: u32,
    events: u32,
}

#[aggregate(id = u32, snapshot_every = 3)]
impl Jar {
    #[apply]
    fn filled(&mut self, event: &FilledIntoJar) {
        self.sweets = event.left;
        self.events += 1;
    }

    #[apply]
    fn taken(&mut self, event: &TakenFromJar) {
        self.sweets = event.left;
        self.events += 1;
    }
}

#[command_handler]
fn take(Take { jar, sweets }: Take, state: &Jar) -> Result<TakenFromJar, Rejected> {
    ensure!(state.sweets >= sweets, "not enough sweets");
    let left = state.sweets - sweets;
    Ok(TakenFromJar { jar, left })
}

#[command_handler]
fn fill(Fill { jar, sweets }: Fill, state: &Jar) -> FilledIntoJar {
    let left = state.sweets + sweets;
    FilledIntoJar { jar, left }
}

fn key(jar: u32) -> StateKey {
    StateKey {
        aggregate: "jar",
        id: jar.to_string(),
    }
}

async fn snapshot(store: &Arc<dyn EventLog>, jar: u32) -> Option<(u64, serde_json::Value)> {
    let stored = store
        .capabilities()
        .states
        .expect("it keeps states")
        .states(vec![key(jar)])
        .await
        .expect("states");
    let stored = stored.into_iter().next()??;
    let body = serde_json::from_slice(&stored.body).unwrap_or_default();
    Some((stored.position.get(), body))
}

/// Puts something else in the snapshot's place, as of now.
async fn overwrite(store: &Arc<dyn EventLog>, jar: u32, body: &[u8]) {
    let stored = store
        .capabilities()
        .states
        .expect("it keeps states")
        .states(vec![key(jar)])
        .await
        .expect("states");
    let based_on = stored[0].as_ref().map(|stored| stored.position);
    let append = Append::new(CommandId::new(), Vec::new()).state(StateWrite {
        key: key(jar),
        body: body.to_vec(),
        based_on,
    });
    // Either may be faster; another snapshot is fine.
    let _ = store.append(append).await;
}

async fn uncached(store: &Arc<dyn EventLog>) -> Dispatcher {
    let builder = Dispatcher::builder().module(module()).state_cache(0);
    let app = builder.log(store.clone()).build().await;
    app.expect("builds")
}

#[tokio::test]
async fn a_snapshot_is_made_every_so_many_events() {
    on_each(module(), |app| async move {
        let uncached = uncached(app.log()).await;
        for (number, app) in (1..=9).zip([&app, &uncached, &uncached].into_iter().cycle()) {
            let receipt = app.execute(Fill { jar: 1, sweets: 1 }).await;
            let at = receipt.expect("fills").last().get();
            let found = snapshot(app.log(), 1).await;
            match number {
                1 | 2 => assert_eq!(found, None),
                number => {
                    let (position, body) = found.expect("there is one");
                    // The cached dispatcher counts what it has seen, as the others do.
                    assert!(at - position < 3, "{number}: {position}");
                    assert_eq!(body["state"]["sweets"], position);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_is_what_a_decision_begins_from() {
    on_each(module(), |app| async move {
        for _ in 0..3 {
            let fill = app.execute(Fill { jar: 1, sweets: 1 }).await;
            fill.expect("fills");
        }
        let (position, mut body) = snapshot(app.log(), 1).await.expect("it was made");
        assert_eq!(position, 3);
        // A lie, to see that it is believed: the fingerprint fits.
        body["state"]["sweets"] = 100.into();
        overwrite(app.log(), 1, body.to_string().as_bytes()).await;
        let uncached = uncached(app.log()).await;
        let take = uncached.execute(Take { jar: 1, sweets: 99 }).await;
        take.expect("begins from the snapshot");
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_is_ignored_and_replaced() {
    on_each(module(), |app| async move {
        for _ in 0..4 {
            let fill = app.execute(Fill { jar: 1, sweets: 1 }).await;
            fill.expect("fills");
        }
        let foreign: [&[u8]; 3] = [
            b"no JSON",
            br#"{"fingerprint":1,"state":{"sweets":9,"events":9}}"#,
            b"",
        ];
        for body in foreign {
            overwrite(app.log(), 1, body).await;
            let uncached = uncached(app.log()).await;
            let jar = uncached.state::<Jar>(&1).await.expect("folds");
            assert_eq!(jar.sweets, jar.events);
            let fill = uncached.execute(Fill { jar: 1, sweets: 1 }).await;
            let at = fill.expect("fills").last().get();
            let (position, body) = snapshot(app.log(), 1).await.expect("it was made");
            assert_eq!(
                (position, &body["state"]["events"]),
                (at, &(jar.events + 1).into())
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn decisions_are_those_of_a_plain_replay_whatever_is_cached_or_stored() {
    on_each(module(), |app| async move {
        let apps = with_caches(app.clone(), module()).await;
        let seed = fastrand::u64(..);
        race(32, |task| {
            let app = apps[task % apps.len()].clone();
            async move {
                let mut random = fastrand::Rng::with_seed(seed + task as u64);
                for _ in 0..20 {
                    let (jar, sweets) = (random.u32(0..4), random.u32(1..5));
                    let outcome = match random.u32(0..8) {
                        0 => {
                            overwrite(app.log(), jar, b"{}").await;
                            continue;
                        }
                        1..4 => app.execute(Fill { jar, sweets }).await,
                        _ => app.execute(Take { jar, sweets }).await,
                    };
                    match outcome {
                        Ok(_) | Err(CommandError::Rejected(_) | CommandError::Conflict { .. }) => {}
                        Err(error) => panic!("seed {seed}: {error}"),
                    }
                }
            }
        })
        .await;
        for jar in 0..4 {
            replay(&app, jar, seed).await;
        }
    })
    .await;
}

/// Each decision saw the state left by the one before; and the state is that of the last.
async fn replay(app: &Dispatcher, jar: u32, seed: u64) {
    let mut left = 0;
    let mut count = 0;
    for event in app.history::<Jar>(&jar).all().await.expect("history") {
        count += 1;
        let now = event.data.json()["left"].as_u64().expect("a number");
        match event.data.event_type.as_str() {
            "filled-into-jar" => assert!((left + 1..left + 5).contains(&now), "seed {seed}"),
            _ => assert!(
                (now + 1..now + 5).contains(&left),
                "seed {seed}: {left}, {now}"
            ),
        }
        left = now;
    }
    let state = app.state::<Jar>(&jar).await.expect("folds");
    let state = (u64::from(state.sweets), u64::from(state.events));
    assert_eq!(state, (left, count), "seed {seed}");
}
