use std::fmt;
use std::time::{Duration, Instant};

use cqrs_core::Position;
use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use serde_json::json;

use super::line_outcome::LineOutcome;
use crate::args::OnError;
use crate::error::CliError;
use crate::out::{BAD, eprint_json, eprint_line, print_json_line, print_line, set_progress_bar};
use crate::signal::Signal;

/// Counts the outcomes of lines, and reports failures as they happen.
pub(crate) struct ImportReport {
    on_error: OnError,
    as_json: bool,
    bar: ProgressBar,
    since: Instant,
    done: u64,
    known: u64,
    rejected: u64,
    bad: u64,
    reached: Position,
    end: Option<CliError>,
}

impl ImportReport {
    /// For a file with this number of lines.
    pub(crate) fn new(lines: u64, on_error: OnError, as_json: bool) -> Self {
        let bar = bar(lines);
        set_progress_bar(Some(bar.clone()));
        Self {
            on_error,
            as_json,
            bar,
            since: Instant::now(),
            done: 0,
            known: 0,
            rejected: 0,
            bad: 0,
            reached: Position::START,
            end: None,
        }
    }

    /// Adds the outcome of a line.
    pub(crate) fn add(&mut self, number: u64, outcome: LineOutcome) {
        self.bar.set_position(number);
        match outcome {
            LineOutcome::Done(position) => {
                self.done += 1;
                self.reached = self.reached.max(position);
            }
            LineOutcome::Known(position) => {
                self.known += 1;
                self.reached = self.reached.max(position);
            }
            LineOutcome::Rejected(reason) => {
                self.rejected += 1;
                self.report_line(number, "rejected: ", &reason, CliError::Refused);
            }
            LineOutcome::Bad(reason) => {
                self.bad += 1;
                self.report_line(number, "", &reason, CliError::Invalid);
            }
            LineOutcome::Failed(error) => {
                let error = error.map(|text| format!("stopped at line {number}: {text}"));
                self.end.get_or_insert(error);
            }
        }
    }

    /// Reports a line that was not processed.
    fn report_line(
        &mut self,
        number: u64,
        prefix: &str,
        reason: &str,
        error: fn(String) -> CliError,
    ) {
        // Each message is one line of JSON, so only the column is informative.
        let reason = reason.replace(" at line 1 column ", " at column ");
        if self.as_json {
            eprint_json(&json!({"line": number, "error": format!("{prefix}{reason}")}));
        } else {
            eprint_line(
                format_args!("{BAD}line {number}:{BAD:#}"),
                &format!("{prefix}{reason}"),
            );
        }
        if self.on_error == OnError::Stop {
            self.end = Some(error(format!("stopped at line {number}")));
        }
    }

    /// Whether the import has to end before the file does.
    pub(crate) fn ended(&self) -> bool {
        self.end.is_some()
    }

    /// Records that a signal has stopped the import.
    pub(crate) fn interrupt(&mut self, signal: Signal) {
        let text = "interrupted: import the file again to process the rest";
        self.end
            .get_or_insert_with(|| CliError::interrupted(signal, text));
    }

    /// Prints the summary. Returns the last position, and whether all lines were processed.
    pub(crate) fn end(self) -> (Position, Result<(), CliError>) {
        self.bar.finish_and_clear();
        set_progress_bar(None);
        let Self {
            done,
            known,
            rejected,
            bad,
            ..
        } = self;
        let lines = done + known + rejected + bad;
        let rate = u128::from(lines) * 1000 / self.since.elapsed().as_millis().max(1);
        let summary = format!(
            "{} lines: {} done, {} processed before, {} rejected, {} bad ({rate} lines/s)",
            HumanCount(lines),
            HumanCount(done),
            HumanCount(known),
            HumanCount(rejected),
            HumanCount(bad),
        );
        let printed = if self.as_json {
            print_json_line(&json!({
                "lines": lines, "done": done, "known": known, "rejected": rejected, "bad": bad,
                "lines_per_second": u64::try_from(rate).unwrap_or(u64::MAX),
            }))
        } else {
            print_line(&summary)
        };
        if printed.is_err() {
            eprint_line(format_args!("imported"), &summary);
        }
        let verdict = match self.end {
            Some(error) => Err(error),
            None if rejected + bad > 0 => Err(CliError::Silent(1)),
            None => printed.map_err(CliError::from),
        };
        (self.reached, verdict)
    }
}

/// A progress bar on the standard error, shown only if that is a terminal.
fn bar(lines: u64) -> ProgressBar {
    let bar = ProgressBar::new(lines);
    let template = "{bar:30} {human_pos} of {human_len} lines, {rate} lines/s, {eta} to go";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("rate", write_rate).progress_chars("##-"));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn write_rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // `with_key` has no way to report a failure.
    let _ = write!(out, "{:.0}", state.per_sec());
}
