//! The program around the catalog.

mod args;
mod ask;
mod columns;
mod database;
mod demo;
mod error;
mod explain;
mod history;
mod import;
mod input;
mod open;
mod out;
mod send;
mod shutdown;
mod signal;
mod tables;

use std::time::Duration;

use args::Action;
pub use args::Args;
use database::Database;
use error::CliError;
use open::OpenMode;

/// Maximum time to wait for read models that make no progress.
const MAX_IDLE: Duration = Duration::from_secs(10);

/// Runs the action of the arguments.
pub async fn run(args: Args) -> Result<(), CliError> {
    let actor = args.actor();
    let named = args.database()?;
    let Some(action) = args.action else {
        return demo::run(named, actor).await;
    };
    let database = named.unwrap_or_else(Database::default_file);
    match action {
        Action::Send(send) => {
            let dispatcher = open::in_database(&database, OpenMode::CreateIfMissing).await?;
            shutdown::run_until_signal(&dispatcher, send::run(&dispatcher, &send, actor)).await
        }
        Action::Ask(ask) => {
            let dispatcher = open::in_database(&database, OpenMode::MustExist).await?;
            shutdown::run_until_signal(&dispatcher, ask::run(&dispatcher, &ask, actor)).await
        }
        Action::Import(import) => {
            let dispatcher = open::in_database(&database, OpenMode::CreateIfMissing).await?;
            let imported = import::run(&dispatcher, &import, actor).await;
            shutdown::close(&dispatcher).await;
            imported
        }
        Action::History(history) => {
            let dispatcher = open::in_database(&database, OpenMode::MustExist).await?;
            shutdown::run_until_signal(&dispatcher, history::run(&dispatcher, &history)).await
        }
        Action::Explain(explain) => explain::run(&open::in_memory().await?, &explain),
    }
}
