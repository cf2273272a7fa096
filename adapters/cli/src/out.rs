//! Output to the terminal. Without colors if the output is not a terminal, or `NO_COLOR` is set.

use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use cqrs_core::Timestamp;
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::Value;

/// The style of headings.
pub const HEADING: Style = Style::new().bold();
/// The style of success.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// The style of errors.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// The style of details.
pub const FAINT: Style = Style::new().dimmed();

/// Writes a line to the standard output. A closed pipe is not an error.
///
/// # Errors
/// When the output cannot be written, for another reason.
pub fn print_line(text: impl fmt::Display) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| {
            let text = format!("the result cannot be written to the standard output: {error}");
            io::Error::new(error.kind(), text)
        }),
    }
}

/// Writes JSON of several lines to the standard output.
pub(crate) fn print_json(value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
    print_line(escape_json_controls(&text))
}

/// Writes JSON to the standard output, as one line.
pub(crate) fn print_json_line(value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(value).map_err(io::Error::other)?;
    print_line(escape_json_controls(&text))
}

/// Writes JSON to the standard error, as one line.
pub(crate) fn eprint_json(value: &Value) {
    // There is no other place to report a failure.
    let _ = writeln!(
        anstream::stderr().lock(),
        "{}",
        escape_json_controls(&value.to_string())
    );
}

/// A time to the millisecond, in UTC.
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string()
}

/// The progress bar on the standard error, if there is one.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes a line to the standard error, above the progress bar.
pub fn eprint_line(prefix: fmt::Arguments<'_>, text: &str) {
    let text = escape_controls(&without_passwords(text));
    let write = || {
        // There is no other place to report a failure.
        let _ = writeln!(anstream::stderr().lock(), "{prefix} {text}");
    };
    match &*BAR.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Sets or removes the progress bar below the lines on the standard error.
pub(crate) fn set_progress_bar(bar: Option<ProgressBar>) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = bar;
}

/// Text with three stars in place of each password in a URL.
pub(crate) fn without_passwords(text: &str) -> String {
    let mut rest = text;
    let mut safe = String::with_capacity(text.len());
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        safe.push_str(before);
        let end = after.find(|it: char| it.is_whitespace() || "'\"`".contains(it));
        let (url, others) = after.split_at(end.unwrap_or(after.len()));
        match url.rsplit_once('@') {
            Some((user, host)) if user.contains(':') => {
                let name = user.split(':').next().unwrap_or_default();
                safe.extend([name, ":***@", host]);
            }
            _ => safe.push_str(url),
        }
        rest = others;
    }
    safe + rest
}

/// Escapes control characters in the strings of a JSON text.
pub(crate) fn escape_json_controls(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_control() && letter != '\n' {
            let _ = write!(escaped, "\\u{:04x}", u32::from(letter));
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// Escapes control characters, on which a terminal would act, in text from any source.
pub fn escape_controls(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() && letter != '\n' {
            escaped.extend(letter.escape_default());
        } else {
            escaped.push(letter);
        }
    }
    escaped
}
