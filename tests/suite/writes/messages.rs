//! Articles whose pieces are in a table, and what happens to them as events.

use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Receive {
    #[id(Counted)]
    pub article: u32,
    pub pieces: i64,
    pub ending: Ending,
}

/// How a handler ends after it has recorded its statements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ending {
    Returns,
    Rejects,
    Fails,
    Panics,
}

/// Records a statement that cannot be executed, between two that can.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Try {
    #[id(Counted)]
    pub article: u32,
    pub statement: Statement,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Statement {
    UnknownTable,
    NoSql,
    Empty,
    TwoStatements,
    DoubledKey,
    TooFewParameters,
    TooManyParameters,
    Commit,
    RollBack,
    Begin,
    Savepoint,
    /// Not in [`ALL`](Self::ALL): the command is refused before it reaches the database.
    TooMany,
    TooLarge,
    /// Neither: it fails on PostgreSQL only.
    WrongType,
    Orphan,
}

impl Statement {
    pub const ALL: [Self; 11] = [
        Self::UnknownTable,
        Self::NoSql,
        Self::Empty,
        Self::TwoStatements,
        Self::DoubledKey,
        Self::TooFewParameters,
        Self::TooManyParameters,
        Self::Commit,
        Self::RollBack,
        Self::Begin,
        Self::Savepoint,
    ];
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Move {
    #[id(Counted)]
    pub from: u32,
    #[id(Counted)]
    pub to: u32,
}

/// As [`Move`], in a transaction of the handler's own.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Swap {
    #[id(Counted)]
    pub from: u32,
    #[id(Counted)]
    pub to: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Label {
    #[id(Counted)]
    pub article: u32,
}

/// Leads to no event.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Note {
    pub article: u32,
    pub pieces: i64,
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "pieces-received", version = 1)]
pub struct Received {
    #[id(Counted)]
    pub article: u32,
    pub pieces: i64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "piece-moved", version = 1)]
pub struct Moved {
    #[id(Counted)]
    pub from: u32,
    #[id(Counted)]
    pub to: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "article-labeled", version = 1)]
pub struct Labeled {
    #[id(Counted)]
    pub article: u32,
}

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

    // An id is taken by reference.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    #[apply]
    fn moved(&mut self, event: &Moved, article: &u32) {
        self.pieces += if *article == event.to { 1 } else { -1 };
    }

    #[apply]
    fn labeled(&mut self, _: &Labeled) {
        self.labels += 1;
    }
}

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

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<String>)]
pub struct Journal;
