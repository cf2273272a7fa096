//! Random process managers that talk with each other while their process ends at any moment, and the clock
//! jumps: what has become of them is what a model says that follows the log event by event.

mod domain;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cqrs_conformance::StoreFixture as _;
use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventQuery, Recorded};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use domain::{Message, Script, Talk, Tell};
use fastrand::Rng;
use tokio::task::yield_now;

use crate::support::postgres::Schema;

/// Few, so that they meet.
const TALKS: u32 = 4;

/// One that only looks at the clock.
const CLOCK: u32 = 99;

const HOUR: Duration = Duration::from_secs(3600);

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// The scripts of a case.
struct Author {
    random: Rng,
    serial: u64,
}

impl Author {
    /// A script, with others in it at most this deep.
    fn script(&mut self, depth: u32) -> Script {
        self.serial += 1;
        let serial = self.serial;
        if depth == 0 {
            return Script {
                serial,
                ends: self.random.u8(..8) == 0,
                ..Script::default()
            };
        }
        let count = self.random.usize(..3);
        Script {
            serial,
            tells: (0..count).map(|_| self.message(depth - 1)).collect(),
            cancels: self.random.u8(..4) == 0,
            rings: self.random.bool().then(|| {
                let after = [0, 1, 20, 3_600_000][self.random.usize(..4)];
                (after, Box::new(self.script(depth - 1)))
            }),
            moves: (self.random.u8(..4) == 0).then(|| [0, 15, 7_200_000][self.random.usize(..3)]),
            ends: self.random.u8(..12) == 0,
        }
    }

    fn message(&mut self, depth: u32) -> Message {
        Message {
            to: self.random.u32(..TALKS),
            is_refused: self.random.u8(..3) == 0,
            script: self.script(depth),
        }
    }
}

/// A talk, as the model knows it.
#[derive(Default)]
struct Modeled {
    followed: Vec<u64>,
    is_over: bool,
    /// The number of its script, and the time.
    deadline: Option<(u64, Timestamp)>,
}

/// All talks, after a part of the log.
#[derive(Default)]
struct Model {
    talks: BTreeMap<u32, Modeled>,
    /// The numbers of the scripts of messages that were sent, and have not come. Whether they are refused.
    under_way: BTreeMap<u64, bool>,
    /// Those of all events.
    known: BTreeSet<u64>,
}

impl Model {
    fn take(&mut self, event: &Recorded) -> Result<(), String> {
        let json = event.data.json();
        let name = event.data.event_type.as_str();
        let tag = event.data.tags.iter().next().expect("a tag");
        let id: u32 = tag.id().parse().expect("a number");
        let script = match name {
            "told" | "rang" => &json["script"],
            _ => &json["command"]["script"],
        };
        let script: Script = serde_json::from_value(script.clone()).expect("a script");
        let serial = script.serial;
        if !self.known.insert(serial) {
            return Err(format!("{serial} happened twice"));
        }
        let talk = self.talks.entry(id).or_default();
        match name {
            "told" => {
                if self.under_way.remove(&serial) == Some(true) {
                    return Err(format!("{serial} was told, but is refused"));
                }
            }
            "rang" => {
                let deadline = talk.deadline.take();
                if talk.is_over
                    || deadline.is_none_or(|(of, due)| of != serial || due > event.meta.time)
                {
                    return Err(format!("{serial} rang, but {deadline:?} was set"));
                }
            }
            _ => {
                if self.under_way.remove(&serial) != Some(true) {
                    return Err(format!("{serial} was refused, and is not under way"));
                }
            }
        }
        // What was sent before the end may still be refused.
        let is_refusal = !matches!(name, "told" | "rang");
        if talk.is_over && !is_refusal {
            return Ok(());
        }
        talk.followed.push(serial);
        for message in &script.tells {
            let sent = &message.script;
            self.under_way.insert(sent.serial, message.is_refused);
        }
        let after = |millis: u64| event.meta.time + Duration::from_millis(millis);
        if script.cancels {
            talk.deadline = None;
        }
        if let Some((millis, script)) = &script.rings {
            talk.deadline = Some((script.serial, after(*millis)));
        }
        if let (Some(millis), Some((_, due))) = (script.moves, &mut talk.deadline) {
            *due = after(millis);
        }
        talk.is_over |= script.ends;
        if talk.is_over {
            talk.deadline = None;
        }
        Ok(())
    }
}

/// A process that is replaced at any moment. Its clock is moved from here.
struct Theatre<'b> {
    builder: &'b dyn Fn() -> Builder,
    ahead: Arc<AtomicI64>,
    app: Dispatcher,
}

impl<'b> Theatre<'b> {
    async fn open(builder: &'b dyn Fn() -> Builder) -> Self {
        let ahead = Arc::<AtomicI64>::default();
        let app = start(builder, &ahead).await;
        Self {
            builder,
            ahead,
            app,
        }
    }

    /// The process ends wherever it is.
    async fn replace(&mut self) {
        self.app = start(self.builder, &self.ahead).await;
    }

    fn jump(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).expect("not long");
        self.ahead.fetch_add(millis, Ordering::SeqCst);
    }

    async fn tell(&self, to: u32, script: Script) {
        let tell = Tell {
            talk: to,
            to,
            is_refused: false,
            script,
        };
        self.app.execute(tell).await.expect("is told");
    }

    async fn log(&self) -> Vec<Arc<Recorded>> {
        self.app
            .events(EventQuery::All)
            .all()
            .await
            .expect("is read")
    }

    /// Lets all time pass that somebody waits for.
    async fn finish(&self, author: &mut Author) {
        loop {
            self.jump(3 * HOUR);
            // So that the worker looks at the clock.
            let script = author.script(0);
            self.tell(CLOCK, script).await;
            self.app.wait_until_idle(LONG).await.expect("comes to rest");
            let mut is_over = true;
            for id in 0..TALKS {
                let talk = self.app.process::<Talk>(&id).await.expect("is read");
                if let Some(talk) = talk {
                    assert!(
                        talk.commands.is_empty(),
                        "it was not idle: {talk:?} {:?}",
                        self.app.health()
                    );
                    is_over &= talk.deadlines.is_empty();
                }
            }
            if is_over {
                break;
            }
        }
    }
}

async fn start(builder: &dyn Fn() -> Builder, ahead: &Arc<AtomicI64>) -> Dispatcher {
    let ahead = ahead.clone();
    let clock = move || {
        let millis = ahead.load(Ordering::SeqCst).unsigned_abs();
        Timestamp::now() + Duration::from_millis(millis)
    };
    // So that the next process need not wait for long.
    let lease = Duration::from_millis(300);
    let builder = builder().module(domain::module()).clock(clock).lease(lease);
    builder.build().await.expect("builds")
}

async fn play(seed: u64, builder: &dyn Fn() -> Builder) -> Result<usize, String> {
    let random = Rng::with_seed(seed);
    let mut author = Author { random, serial: 0 };
    let mut theatre = Theatre::open(builder).await;
    for _ in 0..12 {
        for _ in 0..author.random.usize(1..4) {
            let (to, script) = (author.random.u32(..TALKS), author.script(3));
            theatre.tell(to, script).await;
        }
        for _ in 0..author.random.usize(..200) {
            yield_now().await;
        }
        match author.random.u8(..4) {
            0 | 1 => theatre.replace().await,
            2 => theatre.jump(Duration::from_millis(author.random.u64(..30))),
            _ => theatre.jump(author.random.u32(..3) * HOUR),
        }
    }
    theatre.finish(&mut author).await;
    let mut model = Model::default();
    let log = theatre.log().await;
    for event in &log {
        model.take(event)?;
    }
    if !model.under_way.is_empty() {
        return Err(format!("these have not come: {:?}", model.under_way));
    }
    for id in 0..TALKS {
        let found = theatre.app.process::<Talk>(&id).await.expect("is read");
        let modeled = model.talks.remove(&id);
        let (found, modeled) = match (found, modeled) {
            (Some(found), Some(modeled)) => (found, modeled),
            (None, None) => continue,
            (found, _) => return Err(format!("talk {id}: {}", found.is_some())),
        };
        let (followed, is_over) = (&found.state.followed, found.ended.is_some());
        if *followed != modeled.followed || is_over != modeled.is_over {
            let Modeled { followed, .. } = modeled;
            return Err(format!(
                "talk {id}: {found:?}, but the model has followed {followed:?}"
            ));
        }
        if !found.commands.is_empty() || modeled.deadline.is_some() {
            return Err(format!("talk {id} is not done: {found:?}"));
        }
    }
    let health = theatre.app.health();
    assert!(health.is_ok(), "{health:?}");
    theatre.app.shutdown(LONG).await.expect("shuts down");
    Ok(log.len())
}

/// Plays cases, each with its own seed, which a failure names.
async fn play_all<B: Fn() -> Builder>(cases: u64, mut store: impl AsyncFnMut() -> B) {
    let mut events = 0;
    for _ in 0..cases {
        let seed = fastrand::u64(..);
        let builder = store().await;
        let played = play(seed, &builder).await;
        events += played.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let mean = events / usize::try_from(cases).expect("few");
    assert!(mean > 20, "{mean} events per case");
}

#[tokio::test(flavor = "multi_thread")]
async fn talks_in_memory_come_to_what_the_model_says() {
    play_all(30, async || {
        let store = Memory::new();
        move || Dispatcher::builder().store(store.clone())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn talks_on_sqlite_come_to_what_the_model_says() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut number = 0;
    play_all(10, async || {
        number += 1;
        let path = directory.path().join(format!("{number}.db"));
        let store = Sqlite::open(path).await.expect("SQLite opens");
        move || Dispatcher::builder().store(store.clone())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn talks_on_postgres_come_to_what_the_model_says() {
    const TEST: &str = "talks_on_postgres_come_to_what_the_model_says";
    for _ in 0..5 {
        let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
            return;
        };
        play_all(1, async || {
            let store = schema.open().await;
            move || Dispatcher::builder().store(store.clone())
        })
        .await;
    }
}
