//! Further messages about articles, for handlers and projections with transactions.

use cqrs_core::prelude::*;

cqrs_core::module!();

/// The number of pieces that fails the projection.
pub const UNLUCKY: i64 = 13;

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum StockError {
    #[error("only {there} are there")]
    NotEnough { there: i64 },
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = StockError)]
pub struct Take {
    #[id(Counted)]
    pub article: u32,
    pub pieces: i64,
    pub how: How,
}

/// The end of the handler after it has written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum How {
    Well,
    Rejects,
    Fails,
    Panics,
    NeverEnds,
    /// Ends the transaction itself.
    Commits,
    /// Goes on after a statement that failed.
    Swallows,
}

/// Tries to write, and returns the errors of the database.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<String>)]
pub struct WriteInAQuery;

/// The sums of the projection.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = SoldPieces)]
pub struct Totals;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct SoldPieces {
    pub takings: i64,
    pub pieces: i64,
}
