use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::error::CliError;
use crate::out::without_passwords;

pub(crate) fn usage(error: &clap::Error) -> CliError {
    CliError::Invalid(error.to_string())
}

/// Prints help or errors without passwords.
pub(crate) fn report_usage(error: &clap::Error) -> ExitCode {
    let text = without_passwords(&error.render().ansi().to_string());
    // There is no other place to report a failure.
    let _ = if error.use_stderr() {
        write!(anstream::stderr(), "{text}")
    } else {
        write!(anstream::stdout(), "{text}")
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => 2.into(),
    }
}
