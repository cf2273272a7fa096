//! An SQLite database whose files are deleted or replaced while a process has it open.

use std::fs;
use std::path::{Path, PathBuf};

use cqrs_core::app::SubscriptionState;
use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::{
    AppendError, Epoch, EventLog, EventLogExt, LogTransaction as _, Shard, StoreError,
    Transactional as _, ViewBatch, ViewCommitError, ViewStore,
};
use cqrs_sqlite::Sqlite;
use cqrs_sqlite::rusqlite::Connection;
use tempfile::TempDir;

use crate::support::noted;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Stow {
    #[id(Crate)]
    pub number: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "crate-stowed", version = 1)]
pub struct CrateStowed {
    #[id(Crate)]
    pub number: u32,
}

#[command_handler]
fn stow(Stow { number }: Stow) -> CrateStowed {
    CrateStowed { number }
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Crate {
    #[key]
    pub number: u32,
}

pub struct Crates;

#[projection(name = "crates", version = 1)]
impl Crates {
    #[on]
    fn stowed(event: &CrateStowed, crates: &mut Views<Crate>) {
        let number = event.number;
        crates.put(Crate { number });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
pub struct Count;

#[query_handler]
async fn count(_query: Count, crates: Read<Crate>) -> Result<u64> {
    crates.find().count().await
}

/// A directory with a database, and another place for its files.
struct Hold(TempDir);

impl Hold {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory can be made"))
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("log.db")
    }

    fn elsewhere(&self) -> PathBuf {
        self.0.path().join("elsewhere.db")
    }

    async fn open(&self) -> Sqlite {
        Sqlite::open(self.database()).await.expect("SQLite opens")
    }

    async fn app(&self) -> Dispatcher {
        let app = Dispatcher::builder().module(module());
        let app = app.store(self.open().await).build().await;
        app.expect("builds")
    }
}

/// A file of the database at this path.
fn part(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn rename(from: &Path, to: &Path) {
    fs::rename(from, to).expect("it is renamed");
}

#[track_caller]
fn is_told(text: &str, path: &Path) {
    assert!(text.contains(&format!("`{}`", path.display())), "{text}");
    assert!(text.contains("was deleted or replaced"), "{text}");
    assert!(text.contains("put the file back, or restart"), "{text}");
}

/// The next command is refused, and its text names this file.
async fn is_refused(app: &Dispatcher, path: &Path) {
    let error = app.execute(Stow { number: 99 }).await;
    let error = error.expect_err("it is refused");
    let CommandError::Failed(Failure::Append(AppendError::Store(StoreError::Replaced { .. }))) =
        &error
    else {
        panic!("{error}");
    };
    is_told(&error.to_string(), path);
}

#[tokio::test]
async fn a_command_after_the_database_was_deleted_is_refused_until_it_is_put_back() {
    let hold = Hold::new();
    let app = hold.app().await;
    app.execute(Stow { number: 1 }).await.expect("it is stowed");
    rename(&hold.database(), &hold.elsewhere());
    is_refused(&app, &hold.database()).await;
    is_refused(&app, &hold.database()).await;
    rename(&hold.elsewhere(), &hold.database());
    let receipt = app.execute(Stow { number: 2 }).await.expect("it is stowed");
    assert_eq!(receipt.first().get(), 2, "what was refused is not there");
    let count = app.query(Count).after(&receipt).await;
    assert_eq!(count.expect("an answer"), 2);
}

#[tokio::test]
async fn a_command_after_the_database_was_replaced_is_refused_and_the_backup_stays_as_it_is() {
    let hold = Hold::new();
    let store = hold.open().await;
    store.append(noted()).await.expect("it appends");
    drop(store);
    fs::copy(hold.database(), hold.elsewhere()).expect("a backup is made");
    let store = hold.open().await;
    store.append(noted()).await.expect("it appends");
    rename(&hold.elsewhere(), &hold.database());
    let error = store.append(noted()).await.expect_err("it is refused");
    is_told(&error.to_string(), &hold.database());
    drop(store);
    let store = hold.open().await;
    let head = store.head().await.expect("it can be read").get();
    assert_eq!(head, 1, "the backup, without what was written after it");
    let conn = Connection::open(hold.database()).expect("it opens");
    let check = "PRAGMA integrity_check";
    let found: String = conn.query_row(check, [], |row| row.get(0)).expect("sound");
    assert_eq!(found, "ok");
}

#[tokio::test]
async fn what_was_acknowledged_is_kept_when_the_files_beside_the_database_are_deleted() {
    let hold = Hold::new();
    let app = hold.app().await;
    for number in 0..10 {
        app.execute(Stow { number }).await.expect("it is stowed");
    }
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(part(&hold.database(), suffix)).expect("it is deleted");
    }
    is_refused(&app, &part(&hold.database(), "-wal")).await;
    // As if the process were killed now.
    fs::copy(hold.database(), hold.elsewhere()).expect("it is copied");
    let store = Sqlite::open(hold.elsewhere()).await.expect("SQLite opens");
    assert_eq!(store.head().await.expect("it can be read").get(), 10);
}

#[tokio::test]
async fn a_replaced_store_that_is_closed_leaves_the_files_of_the_new_one_alone() {
    let hold = Hold::new();
    let old = hold.open().await;
    old.append(noted()).await.expect("it appends");
    for suffix in ["", "-wal", "-shm"] {
        let to = part(&hold.elsewhere(), suffix);
        rename(&part(&hold.database(), suffix), &to);
    }
    let new = hold.open().await;
    new.append(noted()).await.expect("it appends");
    drop(old);
    assert!(part(&hold.database(), "-wal").exists());
    new.append(noted()).await.expect("it appends");
    assert_eq!(new.head().await.expect("it can be read").get(), 2);
}

#[tokio::test]
async fn neither_a_transaction_nor_views_nor_a_repeated_command_are_acknowledged() {
    let hold = Hold::new();
    let store = hold.open().await;
    let known = noted();
    store.append(known.clone()).await.expect("it appends");
    let transaction = store.begin().await.expect("it begins");
    rename(&hold.database(), &hold.elsewhere());

    let error = transaction.append(noted()).await;
    let error = error.expect_err("it is refused");
    assert!(
        matches!(error, AppendError::Store(StoreError::Replaced { .. })),
        "{error}"
    );
    is_told(&error.to_string(), &hold.database());

    let error = store.begin().await.expect_err("it is refused");
    assert!(matches!(error, StoreError::Replaced { .. }), "{error}");
    let error = store.append(known.clone()).await.expect_err("refused");
    assert!(
        matches!(error, AppendError::Store(StoreError::Replaced { .. })),
        "{error}"
    );
    let error = store.command(known.command).await.expect_err("refused");
    assert!(matches!(error, StoreError::Replaced { .. }), "{error}");
    let views = ViewBatch {
        shard: Shard::whole("projection:crates:1"),
        epoch: Epoch::UNCLAIMED,
        from: None,
        to: Position::new(1).into(),
        changes: Vec::new(),
        incarnation: store.heads().incarnation(),
        parked: Vec::new(),
    };
    let error = store.commit(views).await.expect_err("it is refused");
    assert!(
        matches!(error, ViewCommitError::Failed(StoreError::Replaced { .. })),
        "{error}"
    );
    let error = store.prepare(Vec::new()).await.expect_err("it is refused");
    assert!(matches!(error, StoreError::Replaced { .. }), "{error}");
}

#[tokio::test]
async fn projections_of_a_deleted_database_fail_and_say_why() {
    let hold = Hold::new();
    let app = hold.app().await;
    fs::remove_file(hold.database()).expect("it is deleted");
    let error = loop {
        if let SubscriptionState::Failing { error, .. } = &app.health().subscriptions[0].state {
            break error.clone();
        }
        tokio::task::yield_now().await;
    };
    is_told(&error, &hold.database());
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_behind_a_link_is_watched_where_the_link_leads() {
    let hold = Hold::new();
    let linked = Hold::new();
    std::os::unix::fs::symlink(hold.database(), linked.database()).expect("it is linked");
    let store = linked.open().await;
    store.append(noted()).await.expect("it appends");
    let log = part(&hold.database(), "-wal");
    fs::remove_file(&log).expect("it is deleted");
    let error = store.append(noted()).await.expect_err("it is refused");
    is_told(
        &error.to_string(),
        &fs::canonicalize(hold.0.path())
            .expect("it is there")
            .join("log.db-wal"),
    );
}

/// Once the directory has not changed for a while, it alone is looked at.
#[tokio::test]
async fn a_file_that_is_replaced_long_after_the_last_change_is_noticed_by_the_next_command() {
    let hold = Hold::new();
    let app = hold.app().await;
    let quiet = std::time::Instant::now();
    let mut number = 0;
    while quiet.elapsed() < std::time::Duration::from_millis(300) {
        app.execute(Stow { number }).await.expect("it is stowed");
        number += 1;
    }
    for suffix in ["", "-wal", "-shm"] {
        let path = part(&hold.database(), suffix);
        let copy = part(&hold.elsewhere(), suffix);
        rename(&path, &copy);
        fs::copy(&copy, &path).expect("it is copied");
        is_refused(&app, &path).await;
        rename(&copy, &path);
        app.execute(Stow { number }).await.expect("it is stowed");
        number += 1;
    }
}
