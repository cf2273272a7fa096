//! Tests of a domain: decisions by given/when/then, a read model, and the wiring as a whole. None
//! needs a database or a running program.
//!
//! `cargo test -p wired-cqrs --example testing`

use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct Borrow {
    #[id(Book)]
    book: u32,
    reader: String,
}

#[derive(Command, Clone, Serialize, Deserialize)]
struct Return {
    #[id(Book)]
    book: u32,
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "borrowed", version = 1)]
struct Borrowed {
    #[id(Book)]
    book: u32,
    reader: String,
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "returned", version = 1)]
struct Returned {
    #[id(Book)]
    book: u32,
}

#[derive(Default)]
struct Book {
    reader: Option<String>,
}

#[aggregate(id = u32)]
impl Book {
    #[apply]
    fn borrowed(&mut self, event: &Borrowed) {
        self.reader = Some(event.reader.clone());
    }

    #[apply]
    fn returned(&mut self, _: &Returned) {
        self.reader = None;
    }
}

#[command_handler]
fn borrow(Borrow { book, reader }: Borrow, state: &Book) -> Result<Borrowed, Rejected> {
    ensure!(state.reader.is_none(), "the book is lent out");
    Ok(Borrowed { book, reader })
}

/// Returning a book that nobody has changes nothing.
#[command_handler]
fn give_back(Return { book }: Return, state: &Book) -> Option<Returned> {
    state.reader.is_some().then_some(Returned { book })
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Loan {
    #[key]
    book: u32,
    reader: String,
}

#[projection(name = "loans", version = 1)]
impl Loan {
    #[on]
    fn borrowed(Borrowed { book, reader }: &Borrowed, loans: &mut Views<Loan>) {
        let (book, reader) = (*book, reader.clone());
        loans.put(Loan { book, reader });
    }

    #[on]
    fn returned(Returned { book }: &Returned, loans: &mut Views<Loan>) {
        loans.delete(book);
    }
}

fn main() {
    println!("The tests are the example: cargo test -p wired-cqrs --example testing");
}

#[cfg(test)]
mod tests {
    use cqrs_core::testing::{given, projection, verify};

    use super::*;

    fn borrow_for(reader: &str) -> Borrow {
        let reader = reader.to_owned();
        Borrow { book: 1, reader }
    }

    fn borrowed_by(reader: &str) -> Borrowed {
        let reader = reader.to_owned();
        Borrowed { book: 1, reader }
    }

    #[test]
    fn a_handler_is_a_plain_function() {
        let on_the_shelf = Book::default();
        assert_eq!(
            borrow(borrow_for("ada"), &on_the_shelf),
            Ok(borrowed_by("ada"))
        );
    }

    #[test]
    fn a_book_is_lent_to_one_reader_at_a_time() {
        given(()).when(borrow_for("ada")).then(borrowed_by("ada"));
        given(borrowed_by("ada"))
            .when(borrow_for("bob"))
            .then_rejected("the book is lent out".into());
        given(borrowed_by("ada"))
            .and(Returned { book: 1 })
            .when(borrow_for("bob"))
            .then(borrowed_by("bob"));
    }

    #[test]
    fn a_book_on_the_shelf_cannot_be_returned() {
        given(()).when(Return { book: 1 }).then(());
    }

    #[test]
    fn a_loan_lasts_until_the_book_is_returned() {
        let reader = "ada".to_owned();
        let loans = projection::<Loan>().given(borrowed_by("ada"));
        loans.then_views([Loan { book: 1, reader }]);
        loans.given(Returned { book: 1 }).then_no_view::<Loan>(1);
    }

    #[test]
    fn the_wiring_is_complete() {
        verify();
    }
}
