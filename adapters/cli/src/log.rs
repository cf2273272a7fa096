use std::env;
use std::io::stderr;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::error::CliError;

/// The environment variable with other levels, as elsewhere.
const LEVELS: &str = "RUST_LOG";

/// Writes warnings, errors and the changes of operators to the standard error, and counts for metrics, if so wanted. Returns
/// false if the program has a subscriber of its own: then that does both, or does not.
///
/// # Errors
/// If the levels in the environment are not valid.
pub(crate) fn begin(counts: bool) -> Result<bool, CliError> {
    let written = fmt::layer().with_writer(stderr).with_filter(levels()?);
    let subscriber = tracing_subscriber::registry()
        .with(counts.then(cqrs_metrics::layer))
        .with(written);
    Ok(subscriber.try_init().is_ok())
}

fn levels() -> Result<Targets, CliError> {
    match env::var(LEVELS) {
        Ok(levels) => levels
            .parse()
            .map_err(|error| CliError::Invalid(format!("`{LEVELS}`: {error}"))),
        Err(_) => Ok(Targets::new()
            .with_default(LevelFilter::WARN)
            .with_target("cqrs_ops", LevelFilter::INFO)),
    }
}
