//! Messages, aggregates and handlers in three crates.

use split_messages::{BooksOf, LendBook, Lent};

use crate::support::stores::on_each_with;

#[tokio::test]
async fn messages_aggregates_and_handlers_live_in_three_crates() {
    let messages = |builder: cqrs_core::app::Builder| builder.module(split_messages::module());
    on_each_with(split_handlers::module(), messages, |app| async move {
        let lend = |isbn: &str, reader| LendBook {
            isbn: isbn.into(),
            reader,
        };
        app.execute(lend("978-0", 1)).await.expect("is lent");
        let again = app
            .execute(lend("978-0", 2))
            .await
            .expect_err("is not there");
        assert_eq!(again.rejected(), Some(Lent { to: 1 }));
        app.execute(lend("978-1", 1)).await.expect("is lent");
        let third = app
            .execute(lend("978-2", 1))
            .await
            .expect("nothing happens");
        assert_eq!(third.events(), 0);
        let books = app.query(BooksOf { reader: 1 }).after(&third).await;
        assert_eq!(books.expect("answers"), 2);
    })
    .await;
}
