//! Opens the database in the argument for writing, then for reading, and says how each ends. Run
//! where nothing can be written.

use cqrs_core::CommandId;
use cqrs_core::store::{Append, AppendError, EventLog, EventLogExt, StoreError};
use cqrs_sqlite::Sqlite;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let path = std::env::args().nth(1).expect("the path of a database");
    match Sqlite::open(&path).await {
        Ok(_) => println!("writes"),
        Err(error) => println!("does not write: {error}"),
    }
    let store = match Sqlite::options().read_only(true).open(&path).await {
        Ok(store) => store,
        Err(error) => return println!("does not read: {error}"),
    };
    let head = store.head().await.expect("it can be read");
    println!("reads up to {head}");
    let append = Append::new(CommandId::new(), Vec::new());
    let error = store.append(append).await.expect_err("it is read-only");
    assert!(
        matches!(error, AppendError::Store(StoreError::ReadOnly { .. })),
        "{error}"
    );
    println!("refuses: {error}");
}
