use crate::{Error, Result};

/// Why a command was not carried out.
#[derive(Debug)]
pub enum Failure {
    /// Somebody else was faster, or the database too busy: a command to send again.
    Again(Error),
    /// An error that a retry cannot resolve.
    Final(Error),
}

/// A framework with the accounts of `src/domain.rs` of the benchmarks, as its users write them.
pub trait Bank: Clone + Send + Sync + 'static {
    /// One command: reads the account, decides, adds an event.
    fn deposit(
        &self,
        account: &str,
    ) -> impl Future<Output = std::result::Result<(), Failure>> + Send;
}

/// A bank that can be given accounts with a long history.
pub trait Seed: Bank {
    /// Gives an account that has none so many events.
    fn seed(&self, account: &str, events: u32) -> impl Future<Output = Result<()>> + Send;

    /// Drops what spares the next command reading all events again.
    fn forget(&self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}
