//! SQLite databases that can only be read, or are opened so.

use std::path::Path;
use std::process::Command as Process;

use cqrs_core::app::{BuildError, SubscriptionState};
use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::{AppendError, EventLog, EventLogExt, StoreError};
use cqrs_sqlite::{OpenError, Sqlite};

use tokio::task::yield_now;

use crate::support::noted;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Shelve {
    #[id(Book)]
    pub number: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "book-shelved", version = 1)]
pub struct BookShelved {
    #[id(Book)]
    pub number: u32,
}

#[derive(Default)]
pub struct Book(u32);

#[aggregate(id = u32)]
impl Book {
    #[apply]
    fn shelved(&mut self, _event: &BookShelved) {
        self.0 += 1;
    }
}

#[command_handler]
fn shelve(Shelve { number }: Shelve, _book: &Book) -> BookShelved {
    BookShelved { number }
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Shelf {
    #[key]
    pub number: u32,
}

pub struct Shelves;

#[projection(name = "shelves", version = 1)]
impl Shelves {
    #[on]
    fn shelved(event: &BookShelved, shelves: &mut Views<Shelf>) {
        let number = event.number;
        shelves.put(Shelf { number });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
pub struct Shelved;

#[query_handler]
async fn shelved(_query: Shelved, shelves: Read<Shelf>) -> Result<u64> {
    shelves.find().count().await
}

async fn app(store: Sqlite) -> Result<Dispatcher, BuildError> {
    let app = Dispatcher::builder().module(module());
    app.store(store).build().await
}

async fn read_only(path: &Path) -> Result<Sqlite, OpenError> {
    Sqlite::options().read_only(true).open(path).await
}

#[tokio::test]
async fn a_store_opened_for_reading_answers_what_another_process_writes_and_refuses_commands() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let writer = app(Sqlite::open(&path).await.expect("SQLite opens")).await;
    let writer = writer.expect("builds");
    let reader = app(read_only(&path).await.expect("it opens")).await;
    let reader = reader.expect("builds");
    for number in 1..=3 {
        let receipt = writer.execute(Shelve { number }).await.expect("shelved");
        let count = reader.query(Shelved).after(&receipt).await;
        assert_eq!(count.expect("an answer"), u64::from(number));
    }
    assert_eq!(
        reader.history::<Book>(&1).all().await.expect("read").len(),
        1
    );
    assert_eq!(reader.state::<Book>(&1).await.expect("it is read").0, 1);
    assert!(reader.health().is_ok());

    let error = reader.execute(Shelve { number: 4 }).await;
    let error = error.expect_err("it is refused");
    let CommandError::Failed(Failure::Append(AppendError::Store(StoreError::ReadOnly { .. }))) =
        &error
    else {
        panic!("{error}");
    };
    let text = error.to_string();
    assert!(text.contains(&format!("`{}`", path.display())), "{text}");
    assert!(text.contains("read_only(true)"), "{text}");
    assert_eq!(writer.log().head().await.expect("it is read").get(), 3);
}

/// Its checkpoint stays where it is, since no view changes.
#[tokio::test]
async fn a_reader_waits_for_events_that_do_not_concern_a_projection() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let store = Sqlite::open(&path).await.expect("SQLite opens");
    let writer = app(store.clone()).await.expect("builds");
    let shelved = writer.execute(Shelve { number: 1 }).await;
    shelved.expect("is shelved");
    let reader = app(read_only(&path).await.expect("it opens")).await;
    let reader = reader.expect("builds");
    for _ in 0..3 {
        let other = store.append(noted()).await.expect("it appends");
        let count = reader.query(Shelved).after_position(other.last).await;
        assert_eq!(count.expect("an answer"), 1);
    }
    assert_eq!(
        reader.health().subscriptions[0].state,
        SubscriptionState::Standby
    );
}

#[tokio::test]
async fn a_store_opened_for_reading_is_watched() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let writer = app(Sqlite::open(&path).await.expect("SQLite opens")).await;
    let writer = writer.expect("builds");
    let reader = app(read_only(&path).await.expect("it opens")).await;
    let reader = reader.expect("builds");
    let mut shelved = reader.watch(Shelved);
    for number in 0..=3 {
        let answer = shelved.next().await.expect("it goes on");
        assert_eq!(answer.expect("an answer").output, u64::from(number));
        writer.execute(Shelve { number }).await.expect("shelved");
    }
}

#[tokio::test]
async fn a_store_opened_for_reading_shows_a_pause_and_skipped_events() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let [writer, reader] = [
        app(Sqlite::open(&path).await.expect("SQLite opens"))
            .await
            .expect("builds"),
        app(read_only(&path).await.expect("it opens"))
            .await
            .expect("builds"),
    ];
    let paused = writer.subscriptions().pause("shelves", "inventory").await;
    paused.expect("is paused");
    let shelve = Shelve { number: 1 };
    let receipt = writer.execute(shelve).await.expect("is shelved");
    while reader.health().is_ok() {
        yield_now().await;
    }
    let answer = reader.query(Shelved).after(&receipt).await;
    let error = answer.expect_err("is paused").to_string();
    assert!(error.ends_with("until it is resumed: inventory"), "{error}");
    let operated = writer.subscriptions();
    let done = operated.skip("shelves", receipt.last(), "it is lost");
    done.await.expect("is skipped");
    let skipped = reader.subscriptions().skipped("shelves").await;
    assert_eq!(skipped.expect("is read")[0].reason, "it is lost");
    let refused = reader.subscriptions().resume("shelves").await;
    let error = refused.expect_err("is read only").to_string();
    assert!(error.contains("read_only(true)"), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_not_made_for_a_reader() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let error = read_only(&path).await.expect_err("it is not there");
    assert!(matches!(error, OpenError::Access { .. }), "{error}");
    assert!(!path.exists());

    std::fs::write(&path, "").expect("it is written");
    let error = read_only(&path).await.expect_err("it is empty");
    assert!(
        matches!(error, OpenError::Outdated { found: 0, .. }),
        "{error}"
    );

    drop(Sqlite::open(&path).await.expect("SQLite opens"));
    let store = read_only(&path).await.expect("it opens");
    let error = app(store).await.err().expect("there is no read model");
    assert!(
        matches!(error, BuildError::Store(StoreError::ReadOnly { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("shelves_1_shelf"), "{error}");
}

/// Copies the files `$2*` to a file system of its own, makes that read-only, and runs `$3` there.
const SCRIPT: &str = "\
    mount -t tmpfs -o size=8m tmpfs \"$1\" || exit 77
    cp \"$2\"* \"$1\" || exit 1
    mount -o remount,ro \"$1\" || exit 77
    \"$3\" \"$1/log.db\"";

/// What the program says of the database where nothing can be written; `None`, with a word about
/// it, where mounting is not permitted.
fn where_nothing_is_written(database: &Path, mount: &Path) -> Option<String> {
    let output = Process::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"])
        .args([mount, database])
        .arg(env!("CARGO_BIN_EXE_read-only"))
        .output();
    let output = match output {
        Ok(output) if output.status.success() => output,
        output => {
            let required = std::env::var_os("CQRS_REQUIRE_SERVICES").is_some_and(|it| it == "1");
            assert!(!required, "nothing can be mounted: {output:?}");
            eprintln!("no right to mount: a read-only file system was not tested");
            return None;
        }
    };
    Some(String::from_utf8(output.stdout).expect("it says text"))
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_refused_unless_it_is_opened_for_reading() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let [database, mount] = ["log.db", "mount"].map(|name| directory.path().join(name));
    std::fs::create_dir(&mount).expect("a directory can be made");
    let there = mount.join("log.db");
    let refused = format!("does not write: `{}` cannot be written", there.display());

    let store = Sqlite::open(&database).await.expect("SQLite opens");
    for _ in 0..3 {
        store.append(noted()).await.expect("it appends");
    }
    let Some(open) = where_nothing_is_written(&database, &mount) else {
        return;
    };
    assert!(open.contains("reads up to 3\nrefuses: "), "{open}");
    assert!(open.contains(&refused), "{open}");

    std::fs::create_dir(directory.path().join("killed")).expect("a directory can be made");
    let killed = directory.path().join("killed").join("log.db");
    for suffix in ["", "-wal"] {
        let name = format!("log.db{suffix}");
        let to = killed.with_file_name(&name);
        std::fs::copy(database.with_file_name(&name), to).expect("it is copied");
    }
    let killed = where_nothing_is_written(&killed, &mount).expect("it did before");
    let unclosed = format!("`{}` was not closed", there.display());
    assert!(killed.contains(&refused), "{killed}");
    assert!(killed.contains(&unclosed), "{killed}");

    drop(store);
    let closed = where_nothing_is_written(&database, &mount).expect("it did before");
    assert!(closed.contains(&refused), "{closed}");
    assert!(closed.contains("reads up to 3\nrefuses: "), "{closed}");
}

/// Permissions do not bind root: the program runs as another user then.
#[cfg(unix)]
#[tokio::test]
async fn a_database_in_a_directory_of_somebody_else_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65534;

    let directory = tempfile::tempdir().expect("a directory can be made");
    let database = directory.path().join("log.db");
    let store = Sqlite::open(&database).await.expect("SQLite opens");
    store.append(noted()).await.expect("it appends");
    drop(store);
    let program = directory.path().join("read-only");
    std::fs::copy(env!("CARGO_BIN_EXE_read-only"), &program).expect("it is copied");
    let allow = |path: &Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("permissions can be set");
    };
    allow(&program, 0o555);
    allow(&database, 0o444);
    allow(directory.path(), 0o555);
    let mut reading = Process::new(&program);
    reading.arg(&database);
    // Only root may.
    let as_nobody = reading.uid(NOBODY).output();
    let output = as_nobody.or_else(|_| Process::new(&program).arg(&database).output());
    allow(directory.path(), 0o755);
    let said = String::from_utf8(output.expect("it runs").stdout).expect("it says text");
    assert!(said.contains("does not write: "), "{said}");
    assert!(said.contains("\nreads up to 1\nrefuses: "), "{said}");
}
