//! The aggregates of a small domain, in another crate than the messages.

#![forbid(unsafe_code)]

use cqrs_core::aggregate;
use split_messages::BookLent;

/// A book.
#[derive(Default)]
pub struct Book {
    /// Who has it.
    pub reader: Option<u32>,
}

#[aggregate(id = String)]
impl Book {
    #[apply]
    fn lent(&mut self, event: &BookLent) {
        self.reader = Some(event.reader);
    }
}

/// A reader.
#[derive(Default)]
pub struct Reader {
    /// How many books they have.
    pub books: u32,
}

#[aggregate(id = u32)]
impl Reader {
    #[apply]
    fn lent(&mut self, _: &BookLent) {
        self.books += 1;
    }
}
