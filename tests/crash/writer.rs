//! A process that writes until it is killed, and says on its standard output what it has done:
//! `opening`, `sent ID`, `done ID FIRST LAST EVENTS` (only after the answer), `seen POSITION`.

mod domain;

use std::fmt::Display;
use std::io::Write;
use std::process::exit;
use std::time::Duration;

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventLogExt, EventQuery};
use cqrs_kit::Subscription;
use cqrs_postgres::Postgres;
use cqrs_sqlite::{Sqlite, Synchronous};

/// Writers per process, unless there is only one.
const TASKS: usize = 6;

/// In SQLite: `FILE full`, or `normal`, which is when it syncs; or `FILE lone` for one writer, and nothing
/// else that writes to the file. In PostgreSQL: `URL SCHEMA`.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [database, how] = &arguments[..] else {
        panic!("two arguments are expected, not {arguments:?}");
    };
    say("opening");
    // A small window, so that boundaries are decided by the database, too.
    if database.starts_with("postgres") {
        let options = Postgres::options().window(32).pool_size(3);
        let options = options.schema(how).application_name(how);
        match options.connect(database).await {
            Ok(store) => run(builder().store(store), TASKS).await,
            Err(error) => stop("connecting", &error),
        }
    } else {
        let synchronous = match how.as_str() {
            "full" | "lone" => Synchronous::Full,
            "normal" => Synchronous::Normal,
            other => panic!("the second argument is `full`, `normal` or `lone`, not {other}"),
        };
        let options = Sqlite::options().window(32).synchronous(synchronous);
        match options.open(database).await {
            Ok(store) if how == "lone" => {
                run(builder().log(store).views(Memory::new()), 1).await;
            }
            Ok(store) => run(builder().store(store), TASKS).await,
            Err(error) => stop("opening", &error),
        }
    }
}

/// A lease that does not end: other processes have to notice the death of this one before.
fn builder() -> Builder {
    Dispatcher::builder().lease(Duration::from_secs(3600))
}

async fn run(app: Builder, tasks: usize) {
    let app = app
        .module(domain::module())
        .build()
        .await
        .unwrap_or_else(|error| stop("building", &error));
    for _ in 0..tasks {
        tokio::spawn(sell(app.clone()));
    }
    follow(&app).await;
}

async fn sell(app: Dispatcher) {
    loop {
        let id = CommandId::new();
        say(&format!("sent {id}"));
        match app.execute(domain::Sell::of(id)).id(id).await {
            Ok(receipt) => {
                let (first, last) = (receipt.first(), receipt.last());
                say(&format!("done {id} {first} {last} {}", receipt.events()));
            }
            Err(CommandError::Conflict { .. }) => {}
            Err(error) => stop("selling", &error),
        }
    }
}

/// Visible events may be from the other process.
async fn follow(app: &Dispatcher) {
    let head = app
        .log()
        .head()
        .await
        .unwrap_or_else(|error| stop("following", &error));
    say(&format!("seen {head}"));
    let mut log = Subscription::new(app.log().clone(), EventQuery::All, head);
    let mut last = head;
    loop {
        match log.next(256).await {
            Ok(page) => {
                for event in page.events {
                    if event.position != last.plus(1) {
                        let skipped = format!("{} follows {last}", event.position);
                        stop("following", &skipped);
                    }
                    last = event.position;
                }
                say(&format!("seen {last}"));
            }
            Err(error) => stop("following", &error),
        }
    }
}

/// One line in one write, so that a kill never leaves half of it.
fn say(line: &str) {
    let line = format!("{line}\n");
    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
        // The reader is gone.
        exit(0);
    }
}

fn stop(doing: &str, error: &dyn Display) -> ! {
    eprintln!("crash-writer, {doing}: {error}");
    exit(2);
}
