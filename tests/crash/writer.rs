//! A process that writes until it is killed, and says on its standard output what it has done:
//! `opening`, `sent ID`, `done ID FIRST LAST EVENTS` (only after the answer), `seen POSITION`.

mod domain;

use std::io::Write;
use std::process::exit;

use cqrs_core::prelude::*;
use cqrs_core::store::{EventQuery, Subscription};
use cqrs_sqlite::{Sqlite, Synchronous};

/// Writers per process.
const TASKS: usize = 6;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .expect("the first argument is the database");
    let synchronous = match arguments.next().as_deref() {
        Some("full") => Synchronous::Full,
        Some("normal") => Synchronous::Normal,
        other => panic!("the second argument is `full` or `normal`, not {other:?}"),
    };
    say("opening");
    // A small window, so that boundaries are decided by the database, too.
    let store = Sqlite::options()
        .synchronous(synchronous)
        .window(32)
        .open(path)
        .await;
    let store = store.unwrap_or_else(|error| stop("opening", &error));
    let app = Dispatcher::builder()
        .module(domain::module())
        .store(store)
        .build()
        .await;
    let app = app.unwrap_or_else(|error| stop("building", &error));
    for _ in 0..TASKS {
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

/// What is visible here may be of the other process.
async fn follow(app: &Dispatcher) {
    let head = app
        .store()
        .head()
        .await
        .unwrap_or_else(|error| stop("following", &error));
    say(&format!("seen {head}"));
    let mut log = Subscription::new(app.store().clone(), EventQuery::All, head);
    loop {
        match log.next(256).await {
            Ok(_) => say(&format!("seen {}", log.position())),
            Err(error) => stop("following", &error),
        }
    }
}

/// One line in one write, so that a kill never leaves half of it.
fn say(line: &str) {
    let line = format!("{line}\n");
    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
        // Whoever wanted to know is gone.
        exit(0);
    }
}

fn stop(doing: &str, error: &dyn std::error::Error) -> ! {
    eprintln!("crash-writer, {doing}: {error}");
    exit(2);
}
