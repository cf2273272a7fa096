use std::pin::Pin;

use clap::Command;

use crate::call::Call;
use crate::error::CliError;

/// The outcome of a verb of the program.
type Outcome = Pin<Box<dyn Future<Output = Result<(), CliError>>>>;

/// The function of a verb of the program.
pub(crate) type Action = Box<dyn Fn(Call) -> Outcome>;

/// A verb of the program, beside those of this crate.
pub(crate) struct OwnVerb {
    pub(crate) command: Command,
    pub(crate) action: Action,
}

/// The function without its type.
pub(crate) fn boxed<F, R>(action: F) -> Action
where
    F: Fn(Call) -> R + 'static,
    R: Future<Output = Result<(), CliError>> + 'static,
{
    Box::new(move |call| Box::pin(action(call)))
}
