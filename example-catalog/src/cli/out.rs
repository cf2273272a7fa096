//! What is written, and how. Colors are left out where they cannot be seen: when the output is no
//! terminal, or `NO_COLOR` is set.

use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use indicatif::ProgressBar;

pub const HEADING: Style = Style::new().bold();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const FAINT: Style = Style::new().dimmed();

/// Writes to the standard output. That nobody reads it any more is no failure.
pub fn say(text: impl fmt::Display) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| {
            let text = format!("the result cannot be written to the standard output: {error}");
            io::Error::new(error.kind(), text)
        }),
    }
}

/// The progress bar on the standard error, if there is one.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes a line to the standard error, above the progress bar.
pub fn complain(what: fmt::Arguments<'_>, text: &str) {
    let text = harmless(&without_passwords(text));
    let write = || {
        // When it fails there is nobody left to tell.
        let _ = writeln!(anstream::stderr().lock(), "{what} {text}");
    };
    match &*BAR.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// From now on, a progress bar stands below what is written to the standard error, or none.
pub fn stand_below(bar: Option<ProgressBar>) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = bar;
}

/// Text with three stars in place of each password in a URL.
pub fn without_passwords(text: &str) -> String {
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

/// JSON whose strings have escapes for all that a terminal would act on.
pub fn harmless_json(json: &str) -> String {
    let mut harmless = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_control() && letter != '\n' {
            let _ = write!(harmless, "\\u{:04x}", u32::from(letter));
        } else {
            harmless.push(letter);
        }
    }
    harmless
}

/// Text that may come from anywhere, without what a terminal would act on.
pub fn harmless(text: &str) -> String {
    let acts = |letter: char| letter.is_control() && letter != '\n';
    let mut harmless = String::with_capacity(text.len());
    for letter in text.chars() {
        if acts(letter) {
            harmless.extend(letter.escape_default());
        } else {
            harmless.push(letter);
        }
    }
    harmless
}
