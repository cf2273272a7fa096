//! A library, with one of each kind.

use std::time::Duration;

use cqrs_core::prelude::*;

/// Lends a book.
///
/// Nobody else may have it.
#[derive(Command, Clone, Serialize, Deserialize)]
#[command(permission = "library:lend")]
pub struct LendBook {
    /// The number on its spine.
    #[id(Book)]
    pub book: u32,
    #[id(Reader)]
    pub reader: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct ReturnBook {
    #[id(Book)]
    pub book: u32,
}

/// Demands a book. `Remind` has no state.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Remind {
    pub book: u32,
}

/// A book was lent.
#[derive(Event, Serialize, Deserialize)]
#[event(name = "book-lent", version = 2)]
pub struct BookLent {
    #[id(Book)]
    pub book: u32,
    #[id(Reader)]
    pub reader: u32,
}

#[upcast(event = "book-lent", from = 1)]
fn lent_with_number(old: serde_json::Value) -> serde_json::Value {
    old
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "book-returned", version = 1)]
pub struct BookReturned {
    #[id(Book)]
    pub book: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "book-overdue", version = 1)]
pub struct BookOverdue {
    #[id(Book)]
    pub book: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "reminder-sent", version = 1)]
pub struct ReminderSent {
    pub book: u32,
}

/// Not from here.
#[derive(Event, Serialize, Deserialize)]
#[event(name = "book-lost", version = 1)]
pub struct BookLost {
    #[id(Book)]
    pub book: u32,
}

#[derive(Default)]
pub struct Book(bool);

/// Books.
#[aggregate(id = u32)]
impl Book {
    #[apply]
    fn lent(&mut self, _: &BookLent) {
        self.0 = true;
    }

    #[apply]
    fn returned(&mut self, _: &BookReturned) {
        self.0 = false;
    }

    #[apply]
    fn lost(&mut self, _: &BookLost) {
        self.0 = true;
    }
}

#[derive(Default)]
pub struct Reader(u32);

#[aggregate(id = u32)]
impl Reader {
    #[apply]
    fn lent(&mut self, _: &BookLent) {
        self.0 += 1;
    }
}

/// Somebody else waits for it.
#[command_handler]
fn lend(command: LendBook, state: &Book, of_reader: &Reader) -> Result<BookLent, Rejected> {
    ensure!(!state.0 && of_reader.0 < 9, "no");
    let LendBook { book, reader } = command;
    Ok(BookLent { book, reader })
}

#[command_handler]
fn give_back(ReturnBook { book }: ReturnBook, _: &Book) -> BookReturned {
    BookReturned { book }
}

#[command_handler]
fn remind(command: Remind, _: Service<String>) -> ReminderSent {
    ReminderSent { book: command.book }
}

#[event_handler]
fn welcome(_: BookReturned) {}

#[event_handler]
fn demand(event: BookLost) -> Option<Remind> {
    Some(Remind { book: event.book })
}

#[derive(Default, Serialize, Deserialize)]
pub struct Loan;

/// A book is away.
#[process_manager(name = "loan", id(Book = u32))]
impl Loan {
    #[start]
    fn lent(&mut self, event: &BookLent) -> Deadline<BookOverdue> {
        Deadline::after(BookOverdue { book: event.book }, Duration::from_secs(1))
    }

    #[on]
    fn returned(&mut self, _: &BookReturned) -> End {
        End
    }

    #[due]
    fn overdue(&mut self, event: &BookOverdue) -> Remind {
        Remind { book: event.book }
    }

    #[rejected]
    fn refused(&mut self, _: &Remind, _: &Rejected) -> End {
        End
    }
}

/// A book on its shelf.
#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Shelf {
    #[key]
    pub book: u32,
}

/// How often it was lent.
#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Fame {
    #[key]
    pub book: u32,
    /// Times.
    pub times: u32,
}

pub struct Shelves;

#[projection(name = "shelves", version = 3)]
impl Shelves {
    #[on]
    fn returned(event: &BookReturned, shelves: &mut Views<Shelf>) {
        shelves.put(Shelf { book: event.book });
    }

    #[on]
    fn lent(event: &BookLent, fame: &mut Views<Fame>) {
        fame.put(Fame {
            book: event.book,
            times: 1,
        });
    }
}

#[derive(Query, Serialize, Deserialize)]
#[query(returns = u64, permission = "library:read")]
pub struct CountBooks;

#[query_handler]
async fn count_books(_: CountBooks, shelves: Read<Shelf>) -> Result<u64> {
    shelves.find().count().await
}

#[derive(Query, Serialize, Deserialize)]
#[query(returns = u64)]
pub struct CountFame;

#[query_handler]
async fn count_fame(_: CountFame, fame: Read<Fame>) -> Result<u64> {
    fame.find().count().await
}
