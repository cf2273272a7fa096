use cqrs_core::{CommandError, Position, Receipt, Rejected};

use crate::error::CliError;

/// The outcome of a line.
#[derive(Debug)]
pub(crate) enum LineOutcome {
    /// Processed; the position of its last event.
    Done(Position),
    /// Processed before; the position of its last event.
    Known(Position),
    /// Rejected by the program.
    Rejected(String),
    /// Malformed or unknown.
    Bad(String),
    /// A failure that is not caused by the line, and would affect the next one, too.
    Failed(CliError),
}

impl LineOutcome {
    /// Whether the command was processed, now or before.
    pub(crate) fn is_success(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Known(_))
    }
}

impl From<Result<Receipt, CommandError<Rejected>>> for LineOutcome {
    fn from(result: Result<Receipt, CommandError<Rejected>>) -> Self {
        match result {
            Ok(receipt) if receipt.replayed() => Self::Known(receipt.last()),
            Ok(receipt) => Self::Done(receipt.last()),
            Err(CommandError::Rejected(error)) => Self::Rejected(error.to_string()),
            Err(error @ (CommandError::Invalid(_) | CommandError::Unknown(_))) => {
                Self::Bad(error.to_string())
            }
            Err(error) => Self::Failed(error.into()),
        }
    }
}
