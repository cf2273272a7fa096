use std::fmt;
use std::time::{Duration, Instant};

use cqrs_core::Position;
use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

use super::outcome::Outcome;
use crate::cli::Stop;
use crate::cli::args::OnError;
use crate::cli::out::{BAD, complain, say, stand_below};
use crate::cli::signal::Signal;

/// Counts what comes of the lines, and tells while it happens.
pub struct Report {
    on_error: OnError,
    bar: ProgressBar,
    since: Instant,
    done: u64,
    known: u64,
    rejected: u64,
    bad: u64,
    reached: Position,
    end: Option<Stop>,
}

impl Report {
    /// Of a file with so many lines.
    pub fn new(lines: u64, on_error: OnError) -> Self {
        let bar = bar(lines);
        stand_below(Some(bar.clone()));
        let (done, known, rejected, bad) = (0, 0, 0, 0);
        let (since, reached, end) = (Instant::now(), Position::START, None);
        Self {
            on_error,
            bar,
            since,
            done,
            known,
            rejected,
            bad,
            reached,
            end,
        }
    }

    /// Takes in what came of a line.
    pub fn add(&mut self, number: u64, outcome: Outcome) {
        self.bar.set_position(number);
        match outcome {
            Outcome::Done(position) => {
                self.done += 1;
                self.reached = self.reached.max(position);
            }
            Outcome::Known(position) => {
                self.known += 1;
                self.reached = self.reached.max(position);
            }
            Outcome::Rejected(reason) => {
                self.rejected += 1;
                self.tell(number, "rejected: ", &reason, Stop::Refused);
            }
            Outcome::Bad(reason) => {
                self.bad += 1;
                self.tell(number, "", &reason, Stop::Invalid);
            }
            Outcome::Failed(stop) => {
                let stop = stop.map(|text| format!("stopped at line {number}: {text}"));
                self.end.get_or_insert(stop);
            }
        }
    }

    /// Tells of a line that was not carried out.
    fn tell(&mut self, number: u64, word: &str, reason: &str, stop: fn(String) -> Stop) {
        let line = format_args!("{BAD}line {number}:{BAD:#}");
        // Each message is one line of JSON, so only the column says something.
        let reason = reason.replace(" at line 1 column ", " at column ");
        complain(line, &format!("{word}{reason}"));
        if self.on_error == OnError::Stop {
            self.end = Some(stop(format!("stopped at line {number}")));
        }
    }

    /// Whether the import has to end before the file does.
    pub fn ended(&self) -> bool {
        self.end.is_some()
    }

    /// A signal has stopped the import.
    pub fn interrupt(&mut self, signal: Signal) {
        let text = "interrupted: import the file again to carry out the rest";
        self.end
            .get_or_insert_with(|| Stop::Interrupted(signal, text.to_owned()));
    }

    /// Sums up: how far the log was written, and whether all was carried out.
    pub fn end(self) -> (Position, Result<(), Stop>) {
        self.bar.finish_and_clear();
        stand_below(None);
        let Self {
            done,
            known,
            rejected,
            bad,
            ..
        } = self;
        let lines = done + known + rejected + bad;
        let rate = u128::from(lines) * 1000 / self.since.elapsed().as_millis().max(1);
        let counts = [
            (done, "carried out"),
            (known, "processed before"),
            (rejected, "rejected"),
            (bad, "bad"),
        ];
        let counts = counts.map(|(count, word)| format!("{} {word}", HumanCount(count)));
        let lines = HumanCount(lines);
        let summary = format!("{lines} lines: {} ({rate} lines/s)", counts.join(", "));
        let said = say(&summary);
        if said.is_err() {
            complain(format_args!("imported"), &summary);
        }
        let verdict = match self.end {
            Some(stop) => Err(stop),
            None if rejected + bad > 0 => Err(Stop::Silent(1)),
            None => said.map_err(Stop::from),
        };
        (self.reached, verdict)
    }
}

/// Draws on the standard error, and only if that is a terminal.
fn bar(lines: u64) -> ProgressBar {
    let bar = ProgressBar::new(lines);
    let template = "{bar:30} {human_pos} of {human_len} lines, {rate} lines/s, {eta} to go";
    if let Ok(style) = ProgressStyle::with_template(template) {
        let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
            // What cannot be written is not seen.
            let _ = write!(out, "{:.0}", state.per_sec());
        };
        bar.set_style(style.with_key("rate", rate).progress_chars("##-"));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
