//! Sends the commands of a file.
//!
//! A thread reads lines and passes each to the partition of its aggregate. A partition sends its
//! commands one after another. Outcomes are reported in the file's order.

mod file_summary;
mod line;
mod line_outcome;
mod line_reader;
mod partition;
mod report;
mod subjects;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use cqrs_core::app::model;
use cqrs_core::{Actor, Dispatcher};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::args::{ImportArgs, OnError};
use crate::call::Call;
use crate::error::CliError;
use crate::shutdown::MAX_IDLE;
use crate::signal::Signal;
use file_summary::FileSummary;
use line::{Ids, Line};
use line_outcome::LineOutcome;
use line_reader::{LineReader, Numbered};
use partition::{Job, Partitions};
use report::ImportReport;
use subjects::Subjects;

/// Maximum number of lines between the one being reported and the one being read.
const IN_FLIGHT: usize = 256;

/// A line whose outcome is pending.
struct PendingLine {
    number: u64,
    outcome: oneshot::Receiver<LineOutcome>,
}

/// Imports a file.
pub(crate) async fn run(
    dispatcher: &Dispatcher,
    import: &ImportArgs,
    actor: Actor,
    call: &Call,
) -> Result<(), CliError> {
    let file = open(&import.file)?;
    let FileSummary {
        file,
        content,
        bytes,
        lines,
    } = spawn_blocking(move || FileSummary::of(file))
        .await
        .map_err(CliError::failed)??;
    let ids = match &import.batch {
        Some(batch) => Ids::of_batch(&call.name, batch),
        None => Ids::of_content(&call.name, content),
    };
    let subjects = Subjects::of(&model());
    // Lines written to the file in the meantime do not belong to this import.
    let text = BufReader::new(file.take(bytes));

    let stopping = Arc::new(AtomicBool::new(false));
    let (partitions, _running) = Partitions::start(dispatcher, &actor, import.on_error, &stopping);
    let (order, mut pending) = mpsc::channel(IN_FLIGHT);
    let on_error = import.on_error;
    let reader = spawn_blocking(move || {
        let lines = LineReader::new(text);
        read(lines, &(ids, subjects), &partitions, &order, on_error)
    });

    let mut report = ImportReport::new(lines, on_error, call.is_json);
    let interrupted = Arc::new(OnceLock::new());
    let watch = tokio::spawn(interrupt(stopping.clone(), interrupted.clone()));
    while let Some(PendingLine { number, outcome }) = pending.recv().await {
        // When the import stops, commands in progress finish and are counted. A partition drops its
        // waiting lines.
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
    let was_read = reader.await.map_err(CliError::failed)?;
    let (reached, verdict) = report.end();
    let caught_up = dispatcher.wait_until_caught_up(reached, MAX_IDLE).await;
    was_read?;
    verdict.and(caught_up.map_err(CliError::failed))
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

/// Reads lines until the file ends or the import stops.
fn read(
    mut lines: LineReader<impl BufRead>,
    (ids, subjects): &(Ids, Subjects),
    partitions: &Partitions,
    order: &mpsc::Sender<PendingLine>,
    on_error: OnError,
) -> io::Result<()> {
    while let Some(Numbered { number, text }) = lines.next()? {
        let job = match text {
            Some(text) if text.trim_ascii().is_empty() => continue,
            Some(text) => Line::parse(&text, number, ids, subjects),
            None => Err(format!(
                "it is longer than {} bytes",
                line_reader::MAX_LINE_BYTES
            )),
        };
        let (reply, outcome) = oneshot::channel();
        let continues = match job {
            Ok(line) => partitions.send(Job { line, reply }),
            Err(reason) => {
                reply.send(LineOutcome::Bad(reason)).is_ok() && on_error == OnError::Skip
            }
        };
        if order
            .blocking_send(PendingLine { number, outcome })
            .is_err()
            || !continues
        {
            break;
        }
    }
    Ok(())
}

/// Opens the file, which has to be readable twice.
fn open(path: &Path) -> Result<File, CliError> {
    let name = path.display();
    let failed = |error: io::Error| CliError::Failed(format!("cannot read `{name}`: {error}"));
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(CliError::Invalid(format!(
            "cannot import `{name}`: it is read twice, so it has to be a regular file"
        )));
    }
    File::open(path).map_err(failed)
}
