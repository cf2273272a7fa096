//! States kept in memory never change a decision: several dispatchers on one log, each with a
//! cache of another size, decide as a plain replay would.

use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;

use crate::support::race;
use crate::support::stores::{on_each, on_each_with, with_caches};

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Take {
    #[id(Jar)]
    pub jar: u32,
    pub sweets: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Fill {
    #[id(Jar)]
    pub jar: u32,
    pub sweets: u32,
}

/// From one jar into another.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Pour {
    #[id(Jar)]
    from: u32,
    #[id(Jar)]
    to: u32,
    sweets: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "sweets-taken", version = 1)]
pub struct SweetsTaken {
    #[id(Jar)]
    jar: u32,
    sweets: u32,
    /// What the decision thought was left.
    left: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "jar-filled", version = 1)]
pub struct JarFilled {
    #[id(Jar)]
    jar: u32,
    sweets: u32,
}

#[derive(Default)]
pub struct Jar {
    pub sweets: u32,
}

#[aggregate(id = u32)]
impl Jar {
    #[apply]
    fn filled(&mut self, event: &JarFilled) {
        self.sweets += event.sweets;
    }

    #[apply]
    fn taken(&mut self, event: &SweetsTaken) {
        assert_eq!(
            event.left,
            self.sweets - event.sweets,
            "the decision saw the newest state"
        );
        self.sweets = event.left;
    }
}

#[command_handler]
fn take(Take { jar, sweets }: Take, state: &Jar) -> Result<SweetsTaken, Rejected> {
    ensure!(state.sweets >= sweets, "not enough sweets");
    let left = state.sweets - sweets;
    Ok(SweetsTaken { jar, sweets, left })
}

#[command_handler]
fn fill(Fill { jar, sweets }: Fill) -> JarFilled {
    JarFilled { jar, sweets }
}

/// A jar holds fifty.
#[command_handler]
fn pour(cmd: Pour, from: &Jar, to: &Jar) -> Result<(SweetsTaken, JarFilled), Rejected> {
    let Pour { sweets, .. } = cmd;
    ensure!(from.sweets >= sweets, "not enough sweets");
    ensure!(to.sweets + sweets <= 50, "too many sweets");
    let (jar, left) = (cmd.from, from.sweets - sweets);
    let taken = SweetsTaken { jar, sweets, left };
    let jar = cmd.to;
    Ok((taken, JarFilled { jar, sweets }))
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Paste {
    #[id(Album)]
    album: u32,
    picture: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "picture-pasted", version = 1)]
pub struct PicturePasted {
    #[id(Album)]
    album: u32,
    picture: String,
}

/// A state that grows.
#[derive(Default, Serialize)]
pub struct Album(Vec<String>);

#[aggregate(id = u32)]
impl Album {
    #[apply]
    fn pasted(&mut self, event: &PicturePasted) {
        self.0.push(event.picture.clone());
    }
}

#[command_handler]
fn paste(Paste { album, picture }: Paste, pasted: &Album) -> Result<PicturePasted, Rejected> {
    ensure!(!pasted.0.contains(&picture), "is there already");
    Ok(PicturePasted { album, picture })
}

#[tokio::test]
async fn the_cache_has_so_many_bytes_at_most() {
    const MOST: usize = 20_000;
    let with = |builder: cqrs_core::app::Builder| builder.state_cache_bytes(MOST);
    on_each_with(module(), with, |app| async move {
        let mut random = fastrand::Rng::with_seed(7);
        let mut hits = Vec::new();
        for number in 0..200 {
            let picture = format!("{number} {}", "x".repeat(random.usize(0..2_000)));
            let album = random.u32(0..20);
            for is_new in [true, false] {
                let picture = picture.clone();
                let pasted = app.execute(Paste { album, picture }).await;
                assert_eq!(pasted.is_ok(), is_new, "picture {number}");
            }
            let health = app.health().state_cache;
            assert!(health.bytes <= MOST, "{health:?}");
            hits.push(health.hits);
        }
        assert!(app.health().state_cache.bytes > MOST / 2, "some are kept");
        assert!(
            hits.windows(2).any(|two| two[0] < two[1]),
            "and found again"
        );
        // Together they have more than ten times as much as is kept.
        let pictures = app.events(EventQuery::All).all().await.expect("reads");
        let bytes: usize = pictures.iter().map(|event| event.data.payload.len()).sum();
        assert!(bytes > 10 * MOST, "{bytes}");
    })
    .await;
}

#[tokio::test]
async fn a_rejection_is_never_made_on_a_state_that_is_behind() {
    on_each(module(), |app| async move {
        let other = Dispatcher::builder().module(module());
        let other = other.stores_of(&app).build().await.expect("builds");
        app.execute(Fill { jar: 1, sweets: 1 })
            .await
            .expect("fills");
        app.execute(Take { jar: 1, sweets: 1 })
            .await
            .expect("takes");
        for _ in 0..10 {
            // `app` has the empty jar in its cache.
            app.execute(Take { jar: 1, sweets: 1 })
                .await
                .expect_err("is empty");
            other
                .execute(Fill { jar: 1, sweets: 1 })
                .await
                .expect("fills");
            app.execute(Take { jar: 1, sweets: 1 })
                .await
                .expect("sees the new sweet");
        }
    })
    .await;
}

#[tokio::test]
async fn health_says_how_useful_the_cache_is() {
    on_each(module(), |app| async move {
        for _ in 0..3 {
            // A jar that nobody reads to fill it.
            let fill = app.execute(Fill { jar: 1, sweets: 1 }).await;
            fill.expect("fills");
            let take = app.execute(Take { jar: 1, sweets: 1 }).await;
            take.expect("takes");
        }
        let health = app.health().state_cache;
        assert_eq!((health.hits, health.misses), (2, 1));
    })
    .await;
}

/// Each is from another position, and each is there: what one decision depends on is checked from
/// the position on that it is of.
#[tokio::test]
async fn a_decision_about_two_finds_both() {
    on_each(module(), |app| async move {
        let fill = |jar| {
            let app = app.clone();
            async move { app.execute(Fill { jar, sweets: 9 }).await.expect("fills") }
        };
        let (from, to, sweets) = (1, 2, 1);
        for jar in [from, to] {
            fill(jar).await;
            let take = app.execute(Take { jar, sweets }).await;
            take.expect("takes");
        }
        let pour = || app.execute(Pour { from, to, sweets }).into_future();
        pour().await.expect("pours");
        let health = app.health().state_cache;
        assert_eq!((health.hits, health.misses), (2, 2));
        // One of them changes: the decision is made again.
        fill(to).await;
        pour().await.expect("pours");
        let to = app.state::<Jar>(&to).await.expect("a state");
        assert_eq!(to.sweets, 9 - 1 + 1 + 9 + 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn decisions_are_those_of_a_plain_replay_whatever_the_cache() {
    on_each(module(), |app| async move {
        let apps = with_caches(app.clone(), module()).await;
        let seed = fastrand::u64(..);
        race(32, |task| {
            let app = apps[task % apps.len()].clone();
            async move {
                let mut random = fastrand::Rng::with_seed(seed + task as u64);
                for _ in 0..20 {
                    let (jar, sweets) = (random.u32(0..4), random.u32(1..5));
                    let to = (jar + random.u32(1..4)) % 4;
                    let outcome = match random.u8(..3) {
                        0 => app.execute(Fill { jar, sweets }).await,
                        1 => app.execute(Take { jar, sweets }).await,
                        _ => {
                            let from = jar;
                            app.execute(Pour { from, to, sweets }).await
                        }
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
            // The fold compares what each decision saw with the replay.
            let jar = app.state::<Jar>(&jar).await;
            jar.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
    })
    .await;
}
