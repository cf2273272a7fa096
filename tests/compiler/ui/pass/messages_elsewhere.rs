//! Messages of another crate; aggregates and handlers of one's own.

use cqrs_core::prelude::*;
use split_messages::{BookLent, BooksOf, LendBook, Lent};

cqrs_core::module!();

#[derive(Default)]
struct Book {
    reader: Option<u32>,
}

#[aggregate(id = String)]
impl Book {
    #[apply]
    fn lent(&mut self, event: &BookLent) {
        self.reader = Some(event.reader);
    }
}

/// The name in the messages is that of an aggregate, not of a type.
#[derive(Default)]
struct Customer {
    books: u32,
}

#[aggregate(id = u32, name = "reader")]
impl Customer {
    #[apply]
    fn lent(&mut self, _: &split_messages::BookLent) {
        self.books += 1;
    }
}

#[command_handler]
fn lend(command: LendBook, book: &Book, customer: &Customer) -> Result<Option<BookLent>, Lent> {
    if let Some(to) = book.reader {
        return Err(Lent { to });
    }
    let LendBook { isbn, reader } = command;
    Ok((customer.books < 2).then_some(BookLent { isbn, reader }))
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct Shelf {
    #[key]
    reader: u32,
    books: u32,
}

struct Shelves;

#[projection(name = "shelves", version = 1)]
impl Shelves {
    #[on]
    fn lent(event: &BookLent, shelves: &mut Views<Shelf>) -> Result<()> {
        let reader = event.reader;
        shelves.upsert(&reader, || Shelf { reader, books: 1 }, |shelf| shelf.books += 1)
    }
}

#[query_handler]
async fn books_of(query: BooksOf, shelves: Read<Shelf>) -> Result<u32> {
    let shelf = shelves.get(&query.reader).await?;
    Ok(shelf.map_or(0, |shelf| shelf.books))
}

#[event_handler]
async fn congratulate(event: split_messages::BookLent, _: &Recorded) {
    assert_eq!(event.reader, 1);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder().module(module()).module(split_messages::module());
    let app = app.store(Memory::new()).build().await?;
    let isbn = String::from("978-0");
    let receipt = app.execute(LendBook { isbn: isbn.clone(), reader: 1 }).await?;
    let taken = app.execute(LendBook { isbn, reader: 2 }).await.expect_err("is lent");
    assert_eq!(taken.rejected(), Some(Lent { to: 1 }));
    assert_eq!(app.query(BooksOf { reader: 1 }).after(&receipt).await?, 1);
    Ok(())
}
