//! Random process managers that talk with each other, some of whose steps and commands fail for a while. Meanwhile
//! their processes end at any moment, their shards are divided, what is parked is released, and the clock jumps: what
//! has become of them is what a model says that follows the log event by event.

mod author;
mod domain;
mod model;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use author::{Author, DEPTH, ROUNDS, TALKS};
use cqrs_conformance::StoreFixture as _;
use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventQuery, ParkedKey, Recorded};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use domain::{Form, Message, Talk, Tell};
use model::{Model, Modeled, Skipped};
use tokio::task::yield_now;

use crate::support::parked::until;
use crate::support::postgres::Schema;

/// One that only looks at the clock.
const CLOCK: u32 = 99;

const HOUR: Duration = Duration::from_secs(3600);

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// Processes that are replaced at any moment. Their clock is moved from here.
struct Theatre<'b> {
    builder: &'b dyn Fn() -> Builder,
    ahead: Arc<AtomicI64>,
    apps: [Dispatcher; 2],
    /// What an operator has skipped, and knows why.
    skipped: BTreeMap<(Position, u32), Skipped>,
}

impl<'b> Theatre<'b> {
    async fn open(builder: &'b dyn Fn() -> Builder) -> Self {
        let ahead = Arc::<AtomicI64>::default();
        let apps = [start(builder, &ahead).await, start(builder, &ahead).await];
        Self {
            builder,
            ahead,
            apps,
            skipped: BTreeMap::new(),
        }
    }

    /// A process ends wherever it is.
    async fn replace(&mut self, place: usize) {
        self.apps[place] = start(self.builder, &self.ahead).await;
    }

    fn jump(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).expect("not long");
        self.ahead.fetch_add(millis, Ordering::SeqCst);
    }

    async fn tell(&self, message: Message) {
        let talk = CLOCK;
        let told = self.apps[0].execute(Tell { talk, message }).await;
        told.expect("is told");
    }

    async fn log(&self) -> Vec<Arc<Recorded>> {
        let log = self.apps[0].events(EventQuery::All).all().await;
        log.expect("is read")
    }

    async fn parked(&self) -> Vec<ParkedKey> {
        let parked = self.apps[0].subscriptions().parked("talks").await;
        parked.expect("is read")
    }

    /// Something that an operator does, or nothing.
    async fn operate(&mut self, author: &mut Author) {
        let subscriptions = self.apps[0].subscriptions();
        match author.random.u8(..12) {
            0 | 1 => {
                // Another division may not be complete.
                let shards = author.random.u16(1..8);
                let _ = subscriptions.divide("talks", shards).await;
            }
            2 => {
                let parked = self.parked().await;
                if let Some(one) = author.random.choice(&parked) {
                    // It may have been released since.
                    let _ = subscriptions.release("talks", &one.key).await;
                }
            }
            3 => {
                let released = subscriptions.release_all("talks").await;
                released.expect("is released");
            }
            4 | 5 => author.remember_one(),
            6..8 => self.skip(author).await,
            8 => {
                let head = self.apps[0].log().heads().position().get();
                let position = Position::new(author.random.u64(..=head));
                // One that is ahead of the checkpoint is refused.
                let _ = subscriptions.rewind("talks", position).await;
            }
            _ => {}
        }
    }

    /// Skips the event that a talk is parked at.
    async fn skip(&mut self, author: &mut Author) {
        let mut parked = self.parked().await;
        parked.retain(|it| !it.is_released);
        let Some(first) = author.random.choice(&parked).map(|it| it.first) else {
            return;
        };
        let subscriptions = self.apps[0].subscriptions();
        let skip = subscriptions.skip("talks", first, "the model says so");
        // Only this releases what is parked.
        skip.await.expect("is skipped");
        for ParkedKey { key, cause, .. } in parked.iter().filter(|it| it.first == first) {
            let skipped = if cause.contains("its command") {
                Skipped::Message
            } else {
                Skipped::Step
            };
            let talk = key.parse().expect("a number");
            self.skipped.insert((first, talk), skipped);
        }
    }

    /// All that was skipped. An event may have been skipped for talks that were parked at it at the last moment.
    async fn all_skipped(&self) -> Result<BTreeMap<(Position, u32), Skipped>, String> {
        let subscriptions = self.apps[0].subscriptions();
        let found = subscriptions.skipped("talks").await.expect("is read");
        let mut all = BTreeMap::new();
        for skipped in found {
            let key = skipped.key.as_deref().map(str::parse);
            let Some(Ok(talk)) = key else {
                return Err(format!("{skipped:?} is for no talk"));
            };
            let place = (skipped.position, talk);
            let known = self.skipped.get(&place).copied();
            all.insert(place, known.unwrap_or(Skipped::Either));
        }
        if self.skipped.keys().all(|place| all.contains_key(place)) {
            Ok(all)
        } else {
            Err(format!("{:?} was skipped, and not {all:?}", self.skipped))
        }
    }

    /// The numbers of the scripts that each talk has followed.
    async fn followed(&self) -> BTreeMap<u32, Vec<u64>> {
        let mut all = BTreeMap::new();
        for id in 0..TALKS {
            let talk = self.apps[0].process::<Talk>(&id).await.expect("is read");
            all.extend(talk.map(|talk| (id, talk.state.followed)));
        }
        all
    }

    /// Lets all time pass that somebody waits for, with everything that works again.
    async fn finish(&self, author: &mut Author) -> Result<(), String> {
        author.remember_all();
        let app = &self.apps[0];
        loop {
            let released = app.subscriptions().release_all("talks").await;
            released.expect("is released");
            self.jump(3 * HOUR);
            // So that the worker looks at the clock.
            let message = author.message_to(Form::Told, vec![CLOCK], 0);
            self.tell(message).await;
            if let Err(error) = app.wait_until_idle(LONG).await {
                let health = self.apps.iter().map(Dispatcher::health);
                let health: Vec<_> = health.collect();
                let parked = self.parked().await;
                return Err(format!("{error}: {health:#?}, parked: {parked:?}"));
            }
            if !self.parked().await.is_empty() {
                continue;
            }
            let mut is_over = true;
            for id in 0..TALKS {
                let talk = app.process::<Talk>(&id).await.expect("is read");
                if let Some(talk) = talk {
                    if !talk.commands.is_empty() {
                        return Err(format!("it was not idle: {talk:?} {:?}", app.health()));
                    }
                    is_over &= talk.deadlines.is_empty();
                }
            }
            if is_over {
                return Ok(());
            }
        }
    }

    /// Compares a talk with what the model says.
    async fn compare(&self, id: u32, modeled: Option<Modeled>) -> Result<(), String> {
        let app = &self.apps[0];
        let found = app.process::<Talk>(&id).await.expect("is read");
        let modeled = modeled.unwrap_or_default();
        let is_same = match &found {
            Some(talk) => {
                modeled.started == Some(talk.started)
                    && modeled.ended == talk.ended.map(|(position, _)| position)
                    && modeled.followed == talk.state.followed
                    && modeled.late == talk.late
            }
            None => modeled.started.is_none(),
        };
        if !is_same {
            return Err(format!("talk {id}: {found:?}, but {modeled:?}"));
        }
        let is_done = found.as_ref().is_none_or(|talk| talk.commands.is_empty());
        if !is_done || modeled.deadline.is_some() {
            return Err(format!("talk {id} is not done: {found:?}, {modeled:?}"));
        }
        let late = app.process::<Talk>(&id).late().await.expect("is counted");
        if late != modeled.early + modeled.late {
            return Err(format!("talk {id}: {late} late events, but {modeled:?}"));
        }
        Ok(())
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
    let builder = builder.retry_for(Duration::from_millis(1));
    builder.build().await.expect("builds")
}

async fn play(seed: u64, builder: &dyn Fn() -> Builder) -> Result<usize, String> {
    let mut author = Author::with_seed(seed);
    let mut theatre = Theatre::open(builder).await;
    for round in 0..ROUNDS {
        author.round = round;
        for _ in 0..author.random.usize(1..4) {
            let message = author.message(DEPTH);
            theatre.tell(message).await;
        }
        if author.random.bool() {
            // So that some things fail for long enough to be parked.
            let some = Duration::from_millis(author.random.u64(..100));
            let _ = theatre.apps[0].wait_until_idle(some).await;
        } else {
            for _ in 0..author.random.usize(..200) {
                yield_now().await;
            }
        }
        theatre.operate(&mut author).await;
        match author.random.u8(..4) {
            0 | 1 => theatre.replace(author.random.usize(..2)).await,
            2 => theatre.jump(Duration::from_millis(author.random.u64(..30))),
            _ => theatre.jump(author.random.u32(..3) * HOUR),
        }
    }
    theatre.finish(&mut author).await?;
    let mut model = Model::new(theatre.all_skipped().await?, theatre.followed().await);
    let log = theatre.log().await;
    for event in &log {
        model.take(event)?;
    }
    model.finish()?;
    for id in 0..TALKS {
        theatre.compare(id, model.talks.remove(&id)).await?;
    }
    for app in &theatre.apps {
        // As of the last time that it has looked for the others.
        until(|| async { app.health().is_ok() }, app).await;
    }
    for app in &theatre.apps {
        app.shutdown(LONG).await.expect("shuts down");
    }
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
