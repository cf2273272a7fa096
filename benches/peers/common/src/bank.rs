use crate::{Error, Result};

/// The reason that a command failed.
#[derive(Debug)]
pub enum Failure {
    /// A conflict, or a busy database: send the command again.
    Again(Error),
    /// An error that a retry cannot resolve.
    Final(Error),
}

/// A framework with the accounts of `src/domain.rs` of the benchmarks, in its own style.
pub trait Bank: Clone + Send + Sync + 'static {
    /// One command: reads the account, decides, adds an event.
    fn deposit(
        &self,
        account: &str,
    ) -> impl Future<Output = std::result::Result<(), Failure>> + Send;
}

/// A bank that can be given accounts with a long history.
pub trait Seed: Bank {
    /// Adds this number of events to an account without any.
    fn seed(&self, account: &str, events: u32) -> impl Future<Output = Result<()>> + Send;

    /// Drops all data in memory that saves the next command from reading all events.
    fn forget(&self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}
