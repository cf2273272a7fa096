//! Messages with all kinds of fields.

use std::collections::BTreeMap;

use cqrs_core::prelude::*;
use cqrs_core::views::Page;
use schemars::JsonSchema;
use uuid::Uuid;

/// Lends a book. Nobody else may have it.
///
/// The reader gets it for four weeks.
#[derive(Command, Clone, Serialize, Deserialize, JsonSchema)]
#[command(error = LendError, permission = "library:lend")]
pub struct LendBook {
    /// The number on its spine.
    #[id(Book)]
    pub book: u32,
    pub reader: Uuid,
    #[serde(default)]
    pub notes: Vec<Note>,
    pub shelf: Option<Shelf>,
    pub marks: BTreeMap<String, Mark>,
    #[serde(rename = "kind")]
    pub loan_kind: LoanKind,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    pub text: String,
    /// Notes about the note.
    #[serde(default)]
    pub replies: Vec<Note>,
}

/// A place in the library.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Shelf {
    pub floor: i8,
    pub ratio: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "color", rename_all = "kebab-case")]
pub enum Mark {
    Red { page: u16 },
    DarkBlue,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub enum LoanKind {
    /// For a day.
    Short,
    /// Until it is needed.
    Long,
    Until(u64),
}

/// Why a book is not lent.
#[derive(Debug, thiserror::Error, JsonSchema)]
pub enum LendError {
    /// Somebody has it.
    #[error("it is lent")]
    IsLent,
    /// The reader has too many.
    #[error("{0} are enough")]
    TooMany(u8),
}

/// Has no fields.
#[derive(Command, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CloseLibrary;

/// Has no schema.
#[derive(Command, Clone, Serialize, Deserialize)]
#[command(name = "library/paint it")]
pub struct Paint {
    /// The color.
    pub color: String,
    pub layers: Option<u8>,
}

/// A book was lent.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "book-lent", version = 2)]
pub struct BookLent {
    #[id(Book)]
    pub book: u32,
    pub reader: Uuid,
}

/// Has no schema.
#[derive(Event, Serialize, Deserialize)]
#[event(name = "library-closed", version = 1)]
pub struct LibraryClosed;

#[derive(Default)]
pub struct Book {
    is_lent: bool,
}

#[aggregate(id = u32)]
impl Book {
    #[apply]
    fn lent(&mut self, _: &BookLent) {
        self.is_lent = true;
    }
}

#[command_handler]
fn lend(command: LendBook, state: &Book) -> Result<BookLent, LendError> {
    ensure!(!state.is_lent, LendError::IsLent);
    ensure!(command.notes.len() < 9, LendError::TooMany(9));
    Ok(BookLent {
        book: command.book,
        reader: command.reader,
    })
}

#[command_handler]
fn close(_: CloseLibrary) -> LibraryClosed {
    LibraryClosed
}

#[command_handler]
fn paint(_: Paint) {}

/// The books of a reader.
#[derive(Query, Clone, Serialize, Deserialize, JsonSchema)]
#[query(returns = Page<LentBook>, permission = "library:read")]
pub struct BooksOf {
    /// Whose.
    pub reader: Uuid,
    pub kinds: Option<LoanKind>,
    #[serde(default)]
    pub floors: Vec<i8>,
    #[serde(default)]
    pub near: Option<Shelf>,
    pub page: Option<u32>,
}

/// A book that somebody has.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LentBook {
    pub book: u32,
    pub notes: Vec<Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shelf: Option<Shelf>,
}

/// Counts everything.
#[derive(Query, Clone, Serialize, Deserialize, JsonSchema)]
#[query(returns = u64)]
pub struct CountBooks;

/// Has parts of another type, so its fields are not listed by themselves.
#[derive(Query, Clone, Serialize, Deserialize, JsonSchema)]
#[query(returns = Vec<Counted>)]
pub struct FindBooks {
    pub title: String,
    #[serde(flatten)]
    pub mark: Mark,
}

/// Has no schema.
#[derive(Clone, Serialize)]
pub struct Counted {
    pub total: u64,
}

#[query_handler]
fn books_of(_: BooksOf) -> Page<LentBook> {
    Page {
        items: Vec::new(),
        total: 0,
    }
}

#[query_handler]
fn count(_: CountBooks) -> u64 {
    0
}

#[query_handler]
fn find(_: FindBooks) -> Vec<Counted> {
    Vec::new()
}
