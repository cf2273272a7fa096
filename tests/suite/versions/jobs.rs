//! The views of a live version are built again by jobs: processes that are killed on the way, come in at once, or
//! are stopped until another one has taken over and replaced the views.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cqrs_conformance::StoreFixture;
use cqrs_core::Dispatcher;
use cqrs_core::app::Role;
use cqrs_core::store::{
    Attendance, EventLogExt, ModelSchema, Position, ShardStore, Store, ViewBatch, ViewChange,
    WorkerId,
};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use super::at_size::{LIMIT, PLAYERS, events, fill, is_as_if_new};
use super::programs::points::Score;
use super::programs::{NAME, points, second, stops};
use crate::support::postgres::Schema;

/// The player whose view is damaged.
pub const DAMAGED: u32 = 7;

/// Time in which a store writes, unless a process was stopped in the middle of that.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// A process that builds the views again.
struct Job {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Job {
    fn start(arguments: &[String]) -> Self {
        Self::of(&mut command(arguments))
    }

    /// One that stops before it commits anything.
    fn start_to_stop(arguments: &[String]) -> Self {
        Self::of(command(arguments).env(stops::VARIABLE, "1"))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let output = child.stdout.take().expect("a pipe");
        Self {
            child,
            lines: Some(BufReader::new(output).lines()),
        }
    }

    /// Waits for a line of which this holds.
    async fn tells(&mut self, is_it: impl Fn(&str) -> bool + Send + 'static) -> String {
        let mut lines = self.lines.take().expect("nobody else reads");
        let (found, lines) = tokio::task::spawn_blocking(move || {
            let found = lines
                .by_ref()
                .map_while(Result::ok)
                .find(|line| is_it(line));
            (found, lines)
        })
        .await
        .expect("is read");
        self.lines = Some(lines);
        found.expect("it has ended")
    }

    /// Waits until the version has the views that were built again, and returns the positions that it tells.
    async fn completes(mut self) -> Vec<u64> {
        let lines = self.lines.take().expect("nobody else reads");
        let told = tokio::task::spawn_blocking(move || {
            let told = lines.map_while(Result::ok);
            told.collect::<Vec<_>>()
        });
        let told = told.await.expect("is read");
        assert!(self.child.wait().expect("it ends").success(), "{told:?}");
        assert_eq!(told.last().map(String::as_str), Some("live"), "{told:?}");
        told.iter().filter_map(|line| told_position(line)).collect()
    }

    fn go_on(&self) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-CONT", &id]).status();
        assert!(
            status.expect("`kill` runs").success(),
            "it is not continued"
        );
    }
}

impl Drop for Job {
    /// `SIGKILL`, also of a stopped process, or of one that has ended.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rebuild-process"));
    command.args(arguments);
    command
}

/// The position in a line that tells how far a process is.
fn told_position(line: &str) -> Option<u64> {
    let words = line.strip_prefix("at position ")?;
    words.split(' ').next()?.parse().ok()
}

/// Waits until a job has told a position after this one.
async fn reaches(job: &mut Job, position: u64) {
    let line = job
        .tells(move |line| told_position(line).is_some_and(|told| told > position))
        .await;
    let at = told_position(&line).expect("a position");
    assert!(at < events(), "it is too far already: {line}");
}

/// A live version of a long log, with a view that was damaged. Nobody handles its events.
async fn live<S: Store + ShardStore + Clone>(store: &S) -> Dispatcher {
    fill(store, events()).await;
    let program = || {
        let builder = Dispatcher::builder().module(points::module());
        builder.module(second::module()).store(store.clone())
    };
    let first = program().build().await.expect("builds");
    let head = store.head().await.expect("a head");
    let caught_up = first.wait_until_caught_up(head, LIMIT).await;
    caught_up.expect("catches up");
    first.shutdown(LIMIT).await.expect("ends");
    let web = program().roles([Role::Commands, Role::Queries]);
    let web = web.build().await.expect("builds");
    assert_eq!(points(&web).await, complete());
    damage(store).await;
    assert_eq!(points(&web).await, 1);
    web
}

/// The points of the player whose view is damaged.
async fn points(app: &Dispatcher) -> u64 {
    let of = second::PointsOf { player: DAMAGED };
    app.query(of).await.expect("it answers throughout")
}

/// What they are without that.
fn complete() -> u64 {
    events() / PLAYERS * 10
}

/// Writes another view than the projection has.
pub async fn damage(store: &(impl Store + ShardStore)) {
    let subscription = format!("projection:{NAME}:2");
    let shards = ShardStore::shards(store, subscription)
        .await
        .expect("shards");
    let checkpoint = shards[0].checkpoint.expect("a checkpoint");
    let model = ModelSchema {
        table: format!("{NAME}_2_tally"),
        indexes: Vec::new(),
    };
    let body = format!(r#"{{"player":{DAMAGED},"points":1,"level":0}}"#);
    let change = ViewChange {
        model: Arc::new(model),
        key: DAMAGED.to_string(),
        view: Some((body.into_bytes(), Vec::new())),
        position: checkpoint.position,
        is_new: false,
    };
    let batch = ViewBatch {
        shard: shards[0].shard.clone(),
        epoch: shards[0].epoch,
        from: Some(checkpoint.position),
        to: checkpoint,
        incarnation: store.view_incarnation(),
        changes: vec![change],
        parked: Vec::new(),
    };
    store.commit(batch).await.expect("it is written");
}

async fn score(app: &Dispatcher, player: u32) -> Position {
    let score = Score { player, points: 1 };
    app.execute(score).await.expect("is carried out").last()
}

/// A job is killed on the way. The next one goes on, and a third one comes in.
async fn is_built_again<S: Store + ShardStore + Clone>(store: S, arguments: &[String]) {
    let web = live(&store).await;
    let killed_at = events() / 5;
    let mut killed = Job::start(arguments);
    reaches(&mut killed, killed_at).await;
    drop(killed);
    assert_eq!(points(&web).await, 1);

    let mut job = Job::start(arguments);
    job.tells(|line| told_position(line).is_some()).await;
    let joined = Job::start(arguments);
    let (told, told_by_joined) = tokio::join!(job.completes(), joined.completes());
    for told in [told, told_by_joined] {
        assert!(told.is_sorted(), "it began again: {told:?}");
        let first = told.iter().find(|position| **position > 0);
        assert!(first.is_none_or(|first| *first > killed_at), "{told:?}");
    }
    assert_eq!(points(&web).await, complete());
    let head = store.head().await.expect("a head");
    is_as_if_new(&web, &store, head).await;
}

/// A job is stopped in folds of the version and of its views that are built again, until another one has replaced
/// the views. Returns `false` if that could not be tried.
async fn is_built_past_a_stopped_job<S: Store + ShardStore + Clone>(
    store: &S,
    arguments: &[String],
) -> bool {
    let web = live(store).await;
    let mut killed = Job::start(arguments);
    reaches(&mut killed, events() / 5).await;
    drop(killed);
    // For the version's fold.
    score(&web, 0).await;
    let mut stopped = Job::start_to_stop(arguments);
    stopped.tells(|line| line == stops::STOPS).await;
    if !is_writable(store).await {
        return false;
    }
    Job::start(arguments).completes().await;
    assert_eq!(points(&web).await, complete());

    // The version goes on.
    let builder = Dispatcher::builder().module(points::module());
    let app = builder.module(second::module()).store(store.clone());
    let app = app.build().await.expect("builds");
    let last = score(&app, DAMAGED).await;
    app.wait_until_caught_up(last, LIMIT)
        .await
        .expect("goes on");
    stopped.go_on();
    stopped.completes().await;
    let last = score(&app, DAMAGED).await;
    app.wait_until_caught_up(last, LIMIT)
        .await
        .expect("goes on");
    assert_eq!(points(&web).await, complete() + 20);
    is_as_if_new(&web, store, last).await;
    true
}

/// Whether no process was stopped in the middle of a write that others wait for.
async fn is_writable(store: &impl ShardStore) -> bool {
    let attendance = Attendance {
        worker: WorkerId::new(),
        subscriptions: Vec::new(),
        lease: WRITE_LIMIT,
    };
    let attended = tokio::time::timeout(WRITE_LIMIT, store.attend(attendance)).await;
    attended.is_ok_and(|attended| attended.is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_views_are_built_again_on_sqlite() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let store = Sqlite::open(&path).await.expect("SQLite opens");
    let arguments = [path.to_str().expect("a path in UTF-8").to_owned()];
    is_built_again(store, &arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_views_are_built_again_on_postgres() {
    let Some(schema) = Schema::fresh("rebuild_again", Postgres::options()) else {
        return;
    };
    let arguments = [schema.url().to_owned(), schema.name().to_owned()];
    is_built_again(schema.open().await, &arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_job_that_goes_on_writes_no_more_views_on_sqlite() {
    loop {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("log.db");
        let store = Sqlite::open(&path).await.expect("SQLite opens");
        let arguments = [path.to_str().expect("a path in UTF-8").to_owned()];
        if is_built_past_a_stopped_job(&store, &arguments).await {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_job_that_goes_on_writes_no_more_views_on_postgres() {
    let Some(schema) = Schema::fresh("rebuild_stopped", Postgres::options()) else {
        return;
    };
    let arguments = [schema.url().to_owned(), schema.name().to_owned()];
    let store = schema.open().await;
    assert!(is_built_past_a_stopped_job(&store, &arguments).await);
}
