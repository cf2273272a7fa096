use cqrs_core::error::Rejection;
use cqrs_core::{CommandError, Position, Receipt};

use crate::cli::Stop;

/// What came of a line.
#[derive(Debug)]
pub enum Outcome {
    /// It was carried out; the log then had everything up to this position.
    Done(Position),
    /// It had been carried out before.
    Known(Position),
    /// The catalog said no.
    Rejected(String),
    /// It makes no sense.
    Bad(String),
    /// It is not the line's fault, and the next would fare no better.
    Failed(Stop),
}

impl Outcome {
    /// Whether the command has been carried out, now or before.
    pub fn is_carried_out(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Known(_))
    }
}

impl From<Result<Receipt, CommandError<Rejection>>> for Outcome {
    fn from(result: Result<Receipt, CommandError<Rejection>>) -> Self {
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
