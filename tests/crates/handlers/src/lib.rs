//! The handlers of a small domain, in another crate than its messages and aggregates.

#![forbid(unsafe_code)]

use cqrs_core::prelude::*;
use split_aggregates::{Book, Reader};
use split_messages::{BookLent, BooksOf, LendBook, Lent};

cqrs_core::module!();

#[command_handler]
fn lend(cmd: LendBook, book: &Book, reader: &Reader) -> Result<Option<BookLent>, Lent> {
    if let Some(to) = book.reader {
        return Err(Lent { to });
    }
    let LendBook {
        isbn,
        reader: number,
    } = cmd;
    let may_lend = reader.books < 2;
    Ok(may_lend.then_some(BookLent {
        isbn,
        reader: number,
    }))
}

/// How many books a reader has.
#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Shelf {
    #[key]
    reader: u32,
    books: u32,
}

/// Keeps the shelves.
pub struct Shelves;

#[projection(name = "shelves", version = 1)]
impl Shelves {
    #[on]
    fn lent(event: &BookLent, shelves: &mut Views<Shelf>) -> Result<()> {
        let reader = event.reader;
        let books = shelves.get(&reader)?.map_or(0, |shelf| shelf.books) + 1;
        shelves.put(Shelf { reader, books });
        Ok(())
    }
}

#[query_handler]
async fn books_of(query: BooksOf, shelves: Read<Shelf>) -> Result<u32> {
    Ok(shelves
        .get(&query.reader)
        .await?
        .map_or(0, |shelf| shelf.books))
}
