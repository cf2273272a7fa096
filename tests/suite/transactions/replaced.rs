//! An SQLite database whose files are deleted or replaced while a handler or a projection has a
//! transaction open: nothing is acknowledged that is not in the database, and the other file stays as
//! it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cqrs_core::app::SubscriptionState;
use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::{AppendError, EventQuery, StoreError};
use cqrs_sqlite::Sqlite;
use cqrs_sqlite::rusqlite::Connection;

cqrs_core::module!();

/// What happens to the files once a transaction has written.
type Accident = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub struct InHandler(Mutex<Option<Accident>>);

/// A projection takes no services, and the projections of all tests share this.
static IN_PROJECTION: Mutex<Option<Accident>> = Mutex::new(None);

const BOOK: u32 = 1;

/// The only book that meets the accident of a projection. One test shelves it.
const BOOK_OF_ACCIDENT: u32 = 2;

fn happens(accident: &Mutex<Option<Accident>>) {
    let accident = accident
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(accident) = accident {
        accident();
    }
}

fn plan(at: &Mutex<Option<Accident>>, accident: impl FnOnce() + Send + 'static) {
    *at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(accident));
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Shelve {
    #[id(Board)]
    book: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "book-shelved", version = 1)]
pub struct Shelved {
    #[id(Board)]
    book: u32,
    /// As it was counted in memory.
    before: u32,
}

#[derive(Default)]
pub struct Board {
    books: u32,
}

#[aggregate(id = u32)]
impl Board {
    #[apply]
    fn shelved(&mut self, _: &Shelved) {
        self.books += 1;
    }
}

#[command_handler]
fn shelve(
    Shelve { book }: Shelve,
    board: &Board,
    tx: &mut Tx<Sqlite>,
    accident: Service<InHandler>,
) -> Result<Shelved, CommandError<Rejected>> {
    tx.execute("INSERT INTO books (book) VALUES (?1)", [book])
        .map_err(CommandError::failed)?;
    happens(&accident.0);
    let before = board.books;
    Ok(Shelved { book, before })
}

pub struct Counts;

#[projection(name = "counts", version = 1)]
impl Counts {
    #[setup]
    fn set_up(tx: &mut Tx<Sqlite>) -> Result<()> {
        tx.execute_batch("CREATE TABLE counts (book INTEGER)")?;
        Ok(())
    }

    #[on]
    fn shelved(event: &Shelved, tx: &mut Tx<Sqlite>) -> Result<()> {
        tx.execute("INSERT INTO counts (book) VALUES (?1)", [event.book])?;
        if event.book == BOOK_OF_ACCIDENT {
            happens(&IN_PROJECTION);
        }
        Ok(())
    }
}

struct Library {
    directory: tempfile::TempDir,
    app: Dispatcher,
    accident: std::sync::Arc<InHandler>,
}

impl Library {
    async fn open() -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("log.db");
        let store = Sqlite::open(&path).await.expect("SQLite opens");
        let table = "CREATE TABLE books (book INTEGER)";
        let client = Connection::open(&path).expect("it opens");
        client.execute_batch(table).expect("it is made");
        let accident = std::sync::Arc::new(InHandler::default());
        let app = Dispatcher::builder().module(module());
        let app = app.provide(accident.clone()).store(store).build().await;
        Self {
            directory,
            app: app.expect("builds"),
            accident,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn shelve(&self, book: u32) -> Result<Receipt, CommandError<Rejected>> {
        self.app.execute(Shelve { book }).await
    }

    /// Books and events are as many, and each decision saw all before it.
    async fn is_whole(&self, books: u32) {
        let rows = count(&self.path("log.db"), "books");
        let events = self.app.events(EventQuery::All).all().await.expect("reads");
        let before = events.iter().map(|event| event.decode::<Shelved>());
        let before: Vec<_> = before.map(|event| event.expect("is one").before).collect();
        assert_eq!((rows, before), (books, (0..books).collect()));
    }
}

fn count(database: &Path, table: &str) -> u32 {
    let client = Connection::open(database).expect("it opens");
    let count = format!("SELECT count(*) FROM {table}");
    let count = client.query_row(&count, [], |row| row.get(0));
    count.expect("an answer")
}

fn rename(from: &Path, to: &Path) {
    fs::rename(from, to).expect("it is renamed");
}

#[track_caller]
fn is_replaced(outcome: &Result<Receipt, CommandError<Rejected>>) {
    let Err(CommandError::Failed(failure)) = outcome else {
        panic!("{outcome:?}");
    };
    let is_replaced = matches!(
        failure,
        Failure::Append(AppendError::Store(StoreError::Replaced { .. }))
            | Failure::Store(StoreError::Replaced { .. })
    );
    assert!(is_replaced, "{failure}");
}

#[tokio::test]
async fn what_a_handler_wrote_to_a_deleted_database_is_not_acknowledged() {
    for name in ["log.db", "log.db-wal"] {
        let library = Library::open().await;
        library.shelve(BOOK).await.expect("is shelved");
        let (file, elsewhere) = (library.path(name), library.path("elsewhere"));
        plan(&library.accident.0, {
            let (file, elsewhere) = (file.clone(), elsewhere.clone());
            move || rename(&file, &elsewhere)
        });
        is_replaced(&library.shelve(BOOK).await);
        rename(&elsewhere, &file);
        library.is_whole(1).await;
        library.shelve(BOOK).await.expect("is shelved");
        library.is_whole(2).await;
    }
}

#[tokio::test]
async fn a_backup_that_is_put_in_place_while_a_handler_writes_stays_as_it_is() {
    let library = Library::open().await;
    library.shelve(BOOK).await.expect("is shelved");
    let (file, backup) = (library.path("log.db"), library.path("backup.db"));
    let client = Connection::open(&file).expect("it opens");
    let copy = format!("VACUUM INTO '{}'", backup.display());
    client.execute_batch(&copy).expect("it is copied");
    drop(client);
    let before = fs::read(&backup).expect("it is there");
    plan(&library.accident.0, {
        let file = file.clone();
        move || rename(&backup, &file)
    });
    is_replaced(&library.shelve(BOOK).await);
    is_replaced(&library.shelve(BOOK).await);
    assert!(fs::read(&file).expect("it is there") == before);
}

#[tokio::test]
async fn a_database_that_is_back_when_a_handler_has_written_is_the_same() {
    let library = Library::open().await;
    library.shelve(BOOK).await.expect("is shelved");
    let (file, elsewhere) = (library.path("log.db"), library.path("elsewhere"));
    plan(&library.accident.0, move || {
        rename(&file, &elsewhere);
        rename(&elsewhere, &file);
    });
    library.shelve(BOOK).await.expect("is shelved");
    library.is_whole(2).await;
}

#[tokio::test]
async fn what_a_projection_wrote_to_a_deleted_database_is_written_once_it_is_back() {
    let library = Library::open().await;
    let (file, elsewhere) = (library.path("log.db"), library.path("elsewhere"));
    plan(&IN_PROJECTION, {
        let (file, elsewhere) = (file.clone(), elsewhere.clone());
        move || rename(&file, &elsewhere)
    });
    let receipt = library.shelve(BOOK_OF_ACCIDENT).await.expect("is shelved");
    let error = loop {
        if let SubscriptionState::Failing { error, .. } =
            &library.app.health().subscriptions[0].state
        {
            break error.clone();
        }
        tokio::task::yield_now().await;
    };
    assert!(error.contains("was deleted or replaced"), "{error}");
    rename(&elsewhere, &file);
    let minute = std::time::Duration::from_secs(60);
    let caught_up = library
        .app
        .wait_until_caught_up(receipt.last(), minute)
        .await;
    caught_up.expect("it goes on");
    assert_eq!(count(&file, "counts"), 1);
    library.is_whole(1).await;
}
