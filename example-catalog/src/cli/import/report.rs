use std::io;
use std::time::Duration;

use cqrs_core::Position;
use indicatif::{ProgressBar, ProgressStyle};

use super::outcome::Outcome;
use crate::cli::Stop;
use crate::cli::args::OnError;
use crate::cli::out::{BAD, complain, say};

/// Counts what comes of the lines, and tells while it happens.
pub struct Report {
    bar: ProgressBar,
    done: u64,
    known: u64,
    rejected: u64,
    bad: u64,
    reached: Position,
    /// The last line that was not carried out, and what the program would end with if it stopped.
    last: Option<(u64, Stop)>,
    failed: bool,
}

impl Report {
    pub fn new(lines: u64) -> Self {
        // Draws on the standard error, and only if that is a terminal.
        let bar = ProgressBar::new(lines);
        let template = "{bar:30} {human_pos} of {human_len} lines, {per_sec}, {eta} to go";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("##-"));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let (done, known, rejected, bad) = (0, 0, 0, 0);
        Self { bar, done, known, rejected, bad, reached: Position::START, last: None, failed: false }
    }

    pub fn add(&mut self, number: u64, outcome: Outcome) {
        self.bar.set_position(number);
        let (word, text, stop) = match outcome {
            Outcome::Done(position) => {
                self.done += 1;
                return self.reach(position);
            }
            Outcome::Known(position) => {
                self.known += 1;
                return self.reach(position);
            }
            Outcome::Rejected(text) => {
                self.rejected += 1;
                ("rejected: ", text, Stop::Refused(stopped(number)))
            }
            Outcome::Bad(text) => {
                self.bad += 1;
                ("", in_one_line(&text), Stop::Invalid(stopped(number)))
            }
            Outcome::Failed(stop) => {
                self.failed = true;
                self.last = Some((number, stop));
                return;
            }
        };
        self.bar.suspend(|| complain(format_args!("{BAD}line {number}:{BAD:#} {word}"), &text));
        self.last = Some((number, stop));
    }

    /// Whether what came last ends the import.
    pub fn stops(&self, on_error: OnError) -> bool {
        self.failed || (on_error == OnError::Stop && self.last.is_some())
    }
}
