//! The program around the catalogue.

mod args;
mod ask;
mod columns;
mod demo;
mod explain;
mod history;
mod import;
mod input;
mod open;
mod out;
mod send;
mod stop;
mod tables;

use std::path::Path;
use std::time::Duration;

use args::Action;
pub use args::Args;
use open::Existing;
use stop::Stop;

/// How long to wait for read models that make no progress.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what was asked.
pub async fn run(args: Args) -> Result<(), Stop> {
    let actor = args.actor();
    let usual = Path::new("catalog.db");
    let db = args.db.as_deref();
    let file = db.unwrap_or(usual);
    match args.action {
        None => demo::run(db, actor).await,
        Some(Action::Send(send)) => {
            send::run(&open::in_file(file, Existing::OrNew).await?, &send, actor).await
        }
        Some(Action::Ask(ask)) => {
            ask::run(&open::in_file(file, Existing::Only).await?, &ask, actor).await
        }
        Some(Action::Import(import)) => {
            import::run(&open::in_file(file, Existing::OrNew).await?, &import, actor).await
        }
        Some(Action::History(history)) => {
            history::run(&open::in_file(file, Existing::Only).await?, &history).await
        }
        Some(Action::Explain(explain)) => explain::run(&open::in_memory().await?, &explain),
    }
}
