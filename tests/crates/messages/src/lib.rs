//! The messages of a small domain. This crate knows neither aggregates nor handlers.

#![forbid(unsafe_code)]

use cqrs_core::prelude::*;

cqrs_core::module!();

/// Lends a book to a reader.
#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Lent)]
pub struct LendBook {
    /// Which book.
    #[id(Book)]
    pub isbn: String,
    /// To whom.
    #[id(Reader)]
    pub reader: u32,
}

/// A book was lent.
#[derive(Event, Serialize, Deserialize)]
#[event(name = "book-lent", version = 1)]
pub struct BookLent {
    /// Which book.
    #[id(Book)]
    pub isbn: String,
    /// To whom.
    #[id(Reader)]
    pub reader: u32,
}

/// Asks how many books a reader has.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
pub struct BooksOf {
    /// Whose.
    pub reader: u32,
}

/// The book is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the book is lent to reader {to}")]
pub struct Lent {
    /// Who has it.
    pub to: u32,
}
