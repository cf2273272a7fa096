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
use std::io::{self, BufReader};
use std::path::Path;

use cqrs_core::{Actor, Dispatcher};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::Stop;
use super::args::{self, OnError};
use super::settle::settle;
use lane::{Job, Lanes};
use line::{Ids, Line};
use lines::{Lines, Read};
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
    let (mut file, survey) = spawn_blocking(move || Survey::of(file))
        .await
        .map_err(Stop::failed)??;
    let ids = match &import.batch {
        Some(name) => Ids::of_batch(name),
        None => Ids::of_content(survey.content),
    };
    io::Seek::rewind(&mut file)?;
    let lines = Lines::new(BufReader::new(file));

    let (lanes, _running) = Lanes::start(dispatcher, &actor, import.on_error);
    let (order, mut pending) = mpsc::channel(IN_FLIGHT);
    let on_error = import.on_error;
    let reader = spawn_blocking(move || read(lines, &ids, &lanes, &order, on_error));

    let mut report = Report::new(survey.lines, on_error);
    while let Some(Pending { number, outcome }) = pending.recv().await {
        // A lane that stopped drops what was left to it: the outcome that stopped it came before.
        let Ok(outcome) = outcome.await else { break };
        report.add(number, outcome);
        if report.ended() {
            break;
        }
    }
    drop(pending);
    let read = reader.await.map_err(Stop::failed)?;
    let (reached, verdict) = report.end();
    let settled = settle(dispatcher, reached).await.map_err(Stop::Failed);
    read?;
    verdict.and(settled)
}

/// Reads lines until the file ends, or nobody wants more.
fn read(
    mut lines: Lines<BufReader<File>>,
    ids: &Ids,
    lanes: &Lanes,
    order: &mpsc::Sender<Pending>,
    on_error: OnError,
) -> io::Result<()> {
    while let Some(Read { number, text }) = lines.next()? {
        let line = match text {
            Some(text) if text.trim_ascii().is_empty() => continue,
            Some(text) => Line::parse(&text, number, ids),
            None => Err(format!("longer than {} bytes", lines::MOST)),
        };
        let (reply, outcome) = oneshot::channel();
        let goes_on = match line {
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
    let file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        let why = "it is read twice, so it has to be a regular file";
        return Err(Stop::Invalid(format!("cannot import `{name}`: {why}")));
    }
    Ok(file)
}
