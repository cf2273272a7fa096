//! The program around the catalog.

mod args;
mod ask;
mod columns;
mod database;
mod demo;
mod explain;
mod history;
mod import;
mod input;
mod open;
mod out;
mod send;
mod shutdown;
mod signal;
mod stop;
mod tables;

use std::time::Duration;

use args::Action;
pub use args::Args;
use database::Database;
use open::Existing;
use stop::Stop;

/// How long to wait for read models that make no progress.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what was asked.
pub async fn run(args: Args) -> Result<(), Stop> {
    let actor = args.actor();
    let named = args.database()?;
    let Some(action) = args.action else {
        return demo::run(named, actor).await;
    };
    let database = named.unwrap_or_else(Database::usual);
    match action {
        Action::Send(send) => {
            let dispatcher = open::in_database(&database, Existing::OrNew).await?;
            shutdown::attend(&dispatcher, send::run(&dispatcher, &send, actor)).await
        }
        Action::Ask(ask) => {
            let dispatcher = open::in_database(&database, Existing::Only).await?;
            shutdown::attend(&dispatcher, ask::run(&dispatcher, &ask, actor)).await
        }
        Action::Import(import) => {
            let dispatcher = open::in_database(&database, Existing::OrNew).await?;
            let imported = import::run(&dispatcher, &import, actor).await;
            shutdown::close(&dispatcher).await;
            imported
        }
        Action::History(history) => {
            let dispatcher = open::in_database(&database, Existing::Only).await?;
            shutdown::attend(&dispatcher, history::run(&dispatcher, &history)).await
        }
        Action::Explain(explain) => explain::run(&open::in_memory().await?, &explain),
    }
}
