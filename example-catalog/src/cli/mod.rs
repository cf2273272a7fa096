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
mod map;
mod open;
mod out;
mod process;
mod rebuild;
mod send;
mod serve;
mod shutdown;
mod signal;
mod status;
mod tables;

use std::time::Duration;

pub use args::Cli;
use args::CliCommand;
use database::Database;
use error::CliError;
use open::OpenMode;

/// Maximum time to wait for read models that make no progress.
const MAX_IDLE: Duration = Duration::from_secs(10);

/// Runs the command of the arguments.
pub async fn run(cli: Cli) -> Result<(), CliError> {
    let actor = cli.actor();
    let named = cli.database()?;
    let Some(command) = cli.command else {
        return demo::run(named, actor).await;
    };
    let database = named.unwrap_or_else(Database::default_file);
    match command {
        CliCommand::Send(send) => {
            let dispatcher = open::in_database(&database, OpenMode::CreateIfMissing).await?;
            shutdown::run_until_signal(&dispatcher, send::run(&dispatcher, &send, actor)).await
        }
        CliCommand::Ask(ask) => {
            let dispatcher = open::in_database(&database, OpenMode::MustExist).await?;
            shutdown::run_until_signal(&dispatcher, ask::run(&dispatcher, &ask, actor)).await
        }
        CliCommand::Import(import) => {
            let dispatcher = open::in_database(&database, OpenMode::CreateIfMissing).await?;
            let imported = import::run(&dispatcher, &import, actor).await;
            shutdown::close(&dispatcher).await;
            imported
        }
        CliCommand::History(history) => {
            let dispatcher = open::in_database(&database, OpenMode::MustExist).await?;
            shutdown::run_until_signal(&dispatcher, history::run(&dispatcher, &history)).await
        }
        CliCommand::Process(process) => {
            let dispatcher = open::in_database(&database, OpenMode::MustExist).await?;
            shutdown::run_until_signal(&dispatcher, process::run(&dispatcher, &process)).await
        }
        CliCommand::Status(status) => {
            let (dispatcher, servers) = open::to_look_at(&database).await?;
            let shown = status::run(&dispatcher, servers.as_ref(), &status).await;
            shutdown::close(&dispatcher).await;
            shown
        }
        CliCommand::Rebuild(rebuild) => {
            let dispatcher = open::in_database(&database, OpenMode::MustExist).await?;
            shutdown::run_until_signal(&dispatcher, rebuild::run(&dispatcher, &rebuild)).await
        }
        CliCommand::Serve(serve) => {
            let dispatcher = open::in_database(&database, OpenMode::CreateIfMissing).await?;
            serve::run(&dispatcher, &serve, actor).await
        }
        CliCommand::Explain(explain) => explain::run(&open::in_memory().await?, &explain),
        CliCommand::Map(map) if map.observed => {
            let dispatcher = open::in_database(&database, OpenMode::MustExist).await?;
            shutdown::run_until_signal(&dispatcher, map::run(&dispatcher, &map, actor)).await
        }
        CliCommand::Map(map) => map::run(&open::in_memory().await?, &map, actor).await,
    }
}
