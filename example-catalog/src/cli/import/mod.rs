//! Sends the commands of a file.
//!
//! A thread reads lines and hands each to the lane of its product; a lane sends one command after
//! the other. What came of the lines is reported in the file's order.

mod lane;
mod line;
mod lines;
mod outcome;
mod report;
mod survey;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use cqrs_core::{Actor, Dispatcher};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::Stop;
use super::args::{self, OnError};
use super::signal::Signal;
use lane::{Job, Lanes};
use line::{Ids, Line};
use lines::{Lines, Numbered};
use outcome::Outcome;
use report::Report;
use survey::Survey;

/// Lines between the one being reported and the one being read.
const IN_FLIGHT: usize = 256;

/// A line whose outcome is on its way.
struct Pending {
    number: u64,
    outcome: oneshot::Receiver<Outcome>,
}

/// Imports a file.
pub async fn run(dispatcher: &Dispatcher, import: &args::Import, actor: Actor) -> Result<(), Stop> {
    let file = open(&import.file)?;
    let survey = spawn_blocking(move || Survey::of(file)).await;
    let Survey {
        file,
        content,
        bytes,
        lines,
    } = survey.map_err(Stop::failed)??;
    let ids = match &import.batch {
        Some(name) => Ids::of_batch(name),
        None => Ids::of_content(content),
    };
    // What is written to the file meanwhile is none of this import.
    let text = BufReader::new(file.take(bytes));

    let stopping = Arc::new(AtomicBool::new(false));
    let (lanes, _running) = Lanes::start(dispatcher, &actor, import.on_error, &stopping);
    let (order, mut pending) = mpsc::channel(IN_FLIGHT);
    let on_error = import.on_error;
    let reader = spawn_blocking(move || read(Lines::new(text), &ids, &lanes, &order, on_error));

    let mut report = Report::new(lines, on_error);
    let interrupted = Arc::new(OnceLock::new());
    let watch = tokio::spawn(interrupt(stopping.clone(), interrupted.clone()));
    while let Some(Pending { number, outcome }) = pending.recv().await {
        // What is on its way when the import stops is carried out and counted. A lane drops what
        // is left to it then.
        if let Ok(outcome) = outcome.await {
            report.add(number, outcome);
        }
        if report.ended() {
            stopping.store(true, Ordering::Relaxed);
        }
        if stopping.load(Ordering::Relaxed) {
            pending.close();
        }
    }
    watch.abort();
    if let Some(&signal) = interrupted.get() {
        report.interrupt(signal);
    }
    let was_read = reader.await.map_err(Stop::failed)?;
    let (reached, verdict) = report.end();
    let settled = dispatcher
        .wait_until_caught_up(reached, super::PATIENCE)
        .await;
    was_read?;
    verdict.and(settled.map_err(Stop::failed))
}

/// Stops the import at the first signal, and the process at the second.
async fn interrupt(stopping: Arc<AtomicBool>, interrupted: Arc<OnceLock<Signal>>) {
    let Ok(signal) = Signal::received().await else {
        return;
    };
    interrupted.get_or_init(|| signal);
    stopping.store(true, Ordering::Relaxed);
    if let Ok(again) = Signal::received().await {
        exit(again.exit_code().into());
    }
}

/// Reads lines until the file ends, or nobody wants more.
fn read(
    mut source: Lines<impl BufRead>,
    ids: &Ids,
    lanes: &Lanes,
    order: &mpsc::Sender<Pending>,
    on_error: OnError,
) -> io::Result<()> {
    while let Some(Numbered { number, text }) = source.next()? {
        let job = match text {
            Some(text) if text.trim_ascii().is_empty() => continue,
            Some(text) => Line::parse(&text, number, ids),
            None => Err(format!("it is longer than {} bytes", lines::MOST)),
        };
        let (reply, outcome) = oneshot::channel();
        let goes_on = match job {
            Ok(line) => lanes.send(Job { line, reply }),
            Err(reason) => reply.send(Outcome::Bad(reason)).is_ok() && on_error == OnError::Skip,
        };
        if order.blocking_send(Pending { number, outcome }).is_err() || !goes_on {
            break;
        }
    }
    Ok(())
}

/// The file, which has to be one that can be read twice.
fn open(path: &Path) -> Result<File, Stop> {
    let name = path.display();
    let failed = |error: io::Error| Stop::Failed(format!("cannot read `{name}`: {error}"));
    if !path.metadata().map_err(failed)?.is_file() {
        let why = "it is read twice, so it has to be a regular file";
        return Err(Stop::Invalid(format!("cannot import `{name}`: {why}")));
    }
    File::open(path).map_err(failed)
}
