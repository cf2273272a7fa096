//! Articles in tables, and what happens to them as events.

use cqrs_core::prelude::*;

cqrs_core::module!();

/// How many pieces no projection can stand.
pub const UNLUCKY: i64 = 13;

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum StockError {
    #[error("only {there} are there")]
    NotEnough { there: i64 },
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Receive {
    #[id(Counted)]
    pub article: u32,
    pub pieces: i64,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = StockError)]
pub struct Take {
    #[id(Counted)]
    pub article: u32,
    pub pieces: i64,
    pub how: How,
}

/// What the handler does once it has written.
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

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Move {
    pub from: u32,
    pub to: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Label {
    #[id(Counted)]
    pub article: u32,
}

/// Of what is there nothing is said in events.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Count {
    pub article: u32,
    pub pieces: i64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "received", version = 1)]
pub struct Received {
    #[id(Counted)]
    pub article: u32,
    pub pieces: i64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "taken", version = 1)]
pub struct Taken {
    #[id(Counted)]
    pub article: u32,
    pub pieces: i64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "labeled", version = 1)]
pub struct Labeled {
    #[id(Counted)]
    pub article: u32,
}

/// What the events say.
#[derive(Clone, Default)]
pub struct Counted {
    pub pieces: i64,
    pub labels: i64,
}

#[aggregate(id = u32)]
impl Counted {
    #[apply]
    fn received(&mut self, event: &Received) {
        self.pieces += event.pieces;
    }

    #[apply]
    fn taken(&mut self, event: &Taken) {
        self.pieces -= event.pieces;
    }

    #[apply]
    fn labeled(&mut self, _: &Labeled) {
        self.labels += 1;
    }
}

/// What the table says.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = i64)]
pub struct Pieces {
    pub article: u32,
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<i64>)]
pub struct Labels {
    pub article: u32,
}

/// Tries to, and returns what the database says.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<String>)]
pub struct WriteInAQuery;

/// What the projection has counted.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = SoldPieces)]
pub struct Totals;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct SoldPieces {
    pub takings: i64,
    pub pieces: i64,
}
