//! Pages by key: each with the cursor of the next one.

use std::collections::BTreeSet;

use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use cqrs_core::views::{Cursor, CursorPage};

use crate::support::stores::on_each;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Shelve {
    pub books: Vec<(String, u32)>,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "books-shelved", version = 1)]
pub struct BooksShelved {
    pub books: Vec<(String, u32)>,
}

#[command_handler]
fn shelve(Shelve { books }: Shelve) -> BooksShelved {
    BooksShelved { books }
}

/// A book; one without pages is removed.
#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Book {
    #[key]
    pub title: String,
    #[index]
    pub pages: u32,
}

pub struct Books;

#[projection(name = "shelved-books", version = 1)]
impl Books {
    #[on]
    fn shelved(event: &BooksShelved, books: &mut Views<Book>) {
        for (title, pages) in &event.books {
            if *pages == 0 {
                books.delete(title);
            } else {
                books.put(Book {
                    title: title.clone(),
                    pages: *pages,
                });
            }
        }
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = CursorPage<Book>)]
pub struct ListBooks {
    pub by_pages: bool,
    pub descending: bool,
    pub only_odd: bool,
    pub take: u64,
    pub after: Option<Cursor>,
}

#[query_handler]
async fn list_books(query: ListBooks, books: Read<Book>) -> Result<CursorPage<Book>> {
    let mut found = books.find().after(query.after).take(query.take);
    if query.by_pages {
        found = found.order_by(Book::PAGES);
    }
    if query.descending {
        found = found.descending();
    }
    if query.only_odd {
        found = found.filter(|book| book.title.len() % 2 == 1);
    }
    found.cursor_page().await
}

fn list(take: u64) -> ListBooks {
    ListBooks {
        by_pages: true,
        descending: false,
        only_odd: false,
        take,
        after: None,
    }
}

/// Books with titles of 1 to 3 letters, and few different numbers of pages.
fn library() -> Vec<(String, u32)> {
    let letters = ["a", "b", "c", "\u{0}", "\u{1}", "é"];
    let mut titles = BTreeSet::new();
    for first in letters {
        titles.insert(first.to_owned());
        for second in letters {
            titles.insert(format!("{first}{second}"));
            for third in letters {
                titles.insert(format!("{first}{second}{third}"));
            }
        }
    }
    (0..)
        .zip(titles)
        .map(|(number, title)| (title, number % 5 + 1))
        .collect()
}

async fn shelve_all(app: &Dispatcher, books: Vec<(String, u32)>) {
    let receipt = app.execute(Shelve { books }).await.expect("is shelved");
    let seen = app.query(list(1)).after(&receipt).await;
    seen.expect("is seen");
}

/// The titles of all pages, read one after the other.
async fn titles(app: &Dispatcher, query: ListBooks) -> Vec<String> {
    let mut after = None;
    let mut titles = Vec::new();
    loop {
        let page = app.query(ListBooks {
            after,
            ..query.clone()
        });
        let CursorPage { items, next } = page.await.expect("is read");
        assert!(items.len() as u64 <= query.take);
        titles.extend(items.into_iter().map(|book| book.title));
        let Some(next) = next else {
            return titles;
        };
        // As a caller sends it.
        let text = serde_json::to_string(&next).expect("is text");
        after = Some(serde_json::from_str(&text).expect("is read back"));
    }
}

#[tokio::test]
async fn all_pages_together_are_the_result() {
    on_each(module(), |app| async move {
        shelve_all(&app, library()).await;
        for (by_pages, descending) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut expected = library();
            if by_pages {
                expected.sort_by_key(|(title, pages)| (*pages, title.clone()));
            }
            if descending {
                expected.reverse();
            }
            for (take, only_odd) in [
                (1, false),
                (7, false),
                (7, true),
                (100, true),
                (1000, false),
            ] {
                let query = ListBooks {
                    by_pages,
                    descending,
                    only_odd,
                    ..list(take)
                };
                let found = titles(&app, query).await;
                let wanted = expected.iter().map(|(title, _)| title);
                let wanted: Vec<_> = wanted.filter(|it| !only_odd || it.len() % 2 == 1).collect();
                assert!(
                    found.iter().eq(wanted),
                    "{take} by {by_pages} {descending} {only_odd}"
                );
            }
        }
    })
    .await;
}

/// Unlike pages by number.
#[tokio::test]
async fn nothing_is_repeated_or_left_out_when_views_come_and_go() {
    on_each(module(), |app| async move {
        let shelf = |titles: &[&str]| {
            let books = titles.iter().map(|title| ((*title).to_owned(), 9));
            books.collect::<Vec<_>>()
        };
        shelve_all(&app, shelf(&["b", "d", "f", "h"])).await;
        let first = app.query(list(2)).await.expect("is read");
        let titles: Vec<_> = first.items.iter().map(|book| &*book.title).collect();
        assert_eq!(titles, ["b", "d"]);
        // The last one of the page is removed, too.
        let mut changes = shelf(&["a", "c", "e"]);
        changes.extend(["b", "d"].map(|title| (title.to_owned(), 0)));
        shelve_all(&app, changes).await;
        let after = first.next;
        let rest = ListBooks { after, ..list(10) };
        let rest = app.query(rest).await.expect("is read");
        let titles: Vec<_> = rest.items.iter().map(|book| &*book.title).collect();
        assert_eq!((titles, rest.next), (vec!["e", "f", "h"], None));
    })
    .await;
}

#[tokio::test]
async fn a_cursor_of_another_order_is_invalid() {
    on_each(module(), |app| async move {
        shelve_all(&app, library()).await;
        let after = app.query(list(2)).await.expect("is read").next;
        let by_key = ListBooks {
            by_pages: false,
            descending: true,
            after,
            ..list(2)
        };
        let refused = app.query(by_key).await.expect_err("is refused");
        let QueryErrorKind::Invalid(invalid) = refused.kind() else {
            panic!("{refused}");
        };
        assert_eq!(
            invalid.reason,
            "the cursor is of a page that is sorted by pages, ascending, but this one is sorted by key, \
             descending: begin again without a cursor"
        );
    })
    .await;
}

/// It would look like the end.
#[tokio::test]
async fn a_page_of_no_views_is_invalid() {
    on_each(module(), |app| async move {
        shelve_all(&app, library()).await;
        let refused = app.query(list(0)).await.expect_err("is refused");
        let QueryErrorKind::Invalid(invalid) = refused.kind() else {
            panic!("{refused}");
        };
        assert_eq!(
            invalid.reason,
            "a page of 0 views has no next one: take at least 1"
        );
    })
    .await;
}

#[tokio::test]
async fn a_text_that_is_no_cursor_is_invalid() {
    let app = Dispatcher::builder().module(module()).store(Memory::new());
    let app = app.build().await.expect("builds");
    let json = r#"{"by_pages":true,"descending":false,"only_odd":false,"take":1,"after":"page-2"}"#;
    let refused = app.query_json("ListBooks", json.as_bytes()).await;
    let refused = refused.expect_err("is refused").to_string();
    assert!(refused.contains("`page-2` is not a cursor"), "{refused}");
}
