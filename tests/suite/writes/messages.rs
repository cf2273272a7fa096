//! Further messages about articles, for handlers that record statements.

use cqrs_core::prelude::*;

cqrs_core::module!();

/// Records statements, and does not succeed.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Abort {
    #[id(Counted)]
    pub article: u32,
    pub ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ending {
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

/// As `Move`, in a transaction of the handler's own.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Swap {
    #[id(Counted)]
    pub from: u32,
    #[id(Counted)]
    pub to: u32,
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<String>)]
pub struct Journal;
