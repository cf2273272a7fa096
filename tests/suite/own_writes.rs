//! Callers see what they have written: by a receipt, by its bookmark as text in another process, in a
//! session, or by waiting for a projection with the command.

use std::time::Duration;

use cqrs_core::app::WaitError;
use cqrs_core::error::{Failure, QueryErrorKind};
use cqrs_core::prelude::*;
use cqrs_core::store::EventLogExt;

use crate::support::stores::{on_each, on_each_twice};

/// A reading list.
mod titles {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct AddTitle {
        pub title: String,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "title-added", version = 1)]
    pub struct TitleAdded {
        pub title: String,
    }

    #[command_handler]
    fn add(AddTitle { title }: AddTitle) -> Result<TitleAdded, Rejected> {
        ensure!(!title.is_empty(), "a title has letters");
        Ok(TitleAdded { title })
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Title {
        #[key]
        pub title: String,
    }

    pub struct TitleList;

    #[projection(name = "titles", version = 1)]
    impl TitleList {
        #[on]
        fn added(event: &TitleAdded, titles: &mut Views<Title>) {
            titles.put(Title {
                title: event.title.clone(),
            });
        }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Letters {
        #[key]
        pub count: usize,
    }

    pub struct LetterCounts;

    #[projection(name = "letter-counts", version = 1)]
    impl LetterCounts {
        #[on]
        fn added(event: &TitleAdded, letters: &mut Views<Letters>) {
            let count = event.title.len();
            letters.put(Letters { count });
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64)]
    pub struct CountTitles {}

    #[query_handler]
    async fn count_titles(_: CountTitles, titles: Read<Title>) -> Result<u64> {
        titles.find().count().await
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64)]
    pub struct CountLengths {}

    #[query_handler]
    async fn count_lengths(_: CountLengths, letters: Read<Letters>) -> Result<u64> {
        letters.find().count().await
    }
}

/// A projection that the dispatchers here do not include.
mod elsewhere {
    use cqrs_core::prelude::*;

    use super::titles::TitleAdded;

    cqrs_core::module!();

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Shelf {
        #[key]
        pub title: String,
    }

    pub struct Shelves;

    #[projection(name = "shelves", version = 1)]
    impl Shelves {
        #[on]
        fn added(event: &TitleAdded, shelves: &mut Views<Shelf>) {
            shelves.put(Shelf {
                title: event.title.clone(),
            });
        }
    }
}

use elsewhere::Shelves;
use titles::{AddTitle, CountLengths, CountTitles, LetterCounts, TitleList};

fn title(title: &str) -> AddTitle {
    AddTitle {
        title: title.to_owned(),
    }
}

/// A short wait, of which the test expects that it runs out.
const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_bookmark_as_text_is_waited_for_in_another_process() {
    on_each_twice(titles::module(), |builders| async move {
        let [first, second] = builders;
        let writer = first.build().await.expect("builds");
        let reader = second.build().await.expect("builds");
        for (count, name) in (1..).zip(["Emma", "Persuasion"]) {
            let receipt = writer.execute(title(name)).await.expect("is added");
            let text = receipt.bookmark().to_string();
            let bookmark: Bookmark = text.parse().expect("is read");
            let answer = reader.query(CountTitles {}).after(bookmark).await;
            assert_eq!(answer.expect("answers"), count);
            let answer = reader.query_json("CountTitles", b"{}").after(bookmark);
            assert_eq!(answer.await.expect("answers"), serde_json::json!(count));
        }
        // A conversation that goes on in the other process.
        let session = writer.session();
        session.execute(title("Emma")).await.expect("is added");
        session
            .execute(title("Middlemarch"))
            .await
            .expect("is added");
        let text = session.bookmark().to_string();
        let session = reader
            .session()
            .after(text.parse::<Bookmark>().expect("is read"));
        assert_eq!(session.bookmark().to_string(), text);
        assert_eq!(session.query(CountTitles {}).await.expect("answers"), 3);
    })
    .await;
}

#[tokio::test]
async fn a_bookmark_of_another_log_is_refused() {
    let other = Dispatcher::builder().module(titles::module());
    let other = other.store(Memory::new()).build().await.expect("builds");
    let foreign = other.execute(title("Emma")).await.expect("is added");
    on_each(titles::module(), |app| async move {
        let emma = app.execute(title("Emma")).await.expect("is added");
        let text = format!(
            "the bookmark `{}` is of another log than that of this dispatcher",
            foreign.bookmark()
        );
        let session = app.session().after(&foreign);
        for refused in [
            app.query(CountTitles {}).after(&foreign).await,
            app.query(CountTitles {}).after(foreign.bookmark()).await,
            session.query(CountTitles {}).await,
        ] {
            let error = refused.expect_err("is refused");
            let QueryErrorKind::Invalid(invalid) = error.kind() else {
                panic!("{error}");
            };
            assert_eq!(invalid.reason, text);
        }
        let refused = app.query_json("CountTitles", b"{}").after(&foreign).await;
        let error = refused.expect_err("is refused").to_string();
        assert!(error.ends_with(&text), "{error}");
        // It is not handed on, and hides nothing that the session writes.
        let next = app.session().after(session.bookmark());
        let answer = next.query(CountTitles {}).after(&emma).await;
        assert_eq!(answer.expect("answers"), 1);
        let receipt = session.execute(title("Lady Susan")).await;
        let receipt = receipt.expect("commands are carried out");
        assert_eq!(session.bookmark(), receipt.bookmark());
        let next = app.session().after(session.bookmark());
        assert_eq!(next.query(CountTitles {}).await.expect("answers"), 2);
    })
    .await;
}

#[tokio::test]
async fn a_bookmark_above_the_head_is_not_waited_for_longer_than_any_other() {
    on_each(titles::module(), |app| async move {
        let receipt = app.execute(title("Emma")).await.expect("is added");
        let shown = app.query(CountTitles {}).after(&receipt).await;
        shown.expect("is shown");
        let bookmark = receipt.bookmark().to_string();
        let (log, _) = bookmark.rsplit_once('-').expect("has a position");
        let above: Bookmark = format!("{log}-9000").parse().expect("is read");
        let query = app.query(CountTitles {}).after(above).max_wait(SHORT);
        let error = query.await.expect_err("is not there");
        let QueryErrorKind::NotCaughtUp(behind) = error.kind() else {
            panic!("{error}");
        };
        assert_eq!((behind.wanted.get(), behind.at.get()), (9000, 1));
    })
    .await;
}

#[tokio::test]
async fn a_stale_query_of_a_session_does_not_wait_for_what_the_session_has_written() {
    on_each(titles::module(), |app| async move {
        let paused = app.subscriptions().pause("titles", "inventory").await;
        paused.expect("is paused");
        let session = app.session();
        let receipt = session.execute(title("Emma")).await.expect("is added");
        let waits = session.query(CountTitles {}).await;
        let error = waits.expect_err("is paused");
        assert!(
            matches!(error.kind(), QueryErrorKind::NotCaughtUp(_)),
            "{error}"
        );
        let stale = session.query(CountTitles {}).stale().await;
        assert_eq!(stale.expect("answers"), 0);
        let stale = session.query_json("CountTitles", b"{}").stale().await;
        assert_eq!(stale.expect("answers"), serde_json::json!(0));
        let named = session.query(CountTitles {}).stale().after(&receipt).await;
        named.expect_err("what is named is waited for");
    })
    .await;
}

#[tokio::test]
async fn a_command_can_be_waited_for_until_it_shows() {
    on_each(titles::module(), |app| async move {
        let session = app.session();
        for (count, name) in (1..).zip(["Emma", "Persuasion", "Middlemarch"]) {
            let shown = session
                .execute(title(name))
                .and_wait_for::<TitleList>()
                .and_wait_for::<LetterCounts>();
            let receipt = shown.await.expect("shows");
            assert_eq!(receipt.last(), session.position());
            assert_eq!(app.query(CountTitles {}).await.expect("answers"), count);
            let lengths = app.query(CountLengths {}).await.expect("answers");
            assert_eq!(lengths, count);
        }
        let by_name = app.execute_json("AddTitle", br#"{"title":"Daniel Deronda"}"#);
        let by_name = by_name.and_wait_for::<TitleList>().max_wait(Duration::MAX);
        by_name.await.expect("shows");
        assert_eq!(app.query(CountTitles {}).await.expect("answers"), 4);
    })
    .await;
}

#[tokio::test]
async fn a_wait_that_fails_does_not_lose_the_receipt_of_the_command() {
    on_each(titles::module(), |app| async move {
        let paused = app.subscriptions().pause("titles", "inventory").await;
        paused.expect("is paused");
        let id = CommandId::new();
        let call = app.execute(title("Emma")).id(id);
        let error = call
            .and_wait_for::<TitleList>()
            .await
            .expect_err("is paused");
        let text = error.to_string();
        let start = format!("the command `{id}` was carried out, and the wait for its events");
        assert!(text.starts_with(&start), "{text}");
        assert!(text.ends_with("until it is resumed: inventory"), "{text}");
        let WaitError::Recorded { receipt, error } = error else {
            panic!("{error}");
        };
        assert!(
            matches!(error.kind(), QueryErrorKind::NotCaughtUp(_)),
            "{error}"
        );
        assert_eq!((receipt.command(), receipt.last().get()), (id, 1));
        // Sent again, it waits again.
        let resumed = app.subscriptions().resume("titles").await;
        resumed.expect("is resumed");
        let again = app.execute(title("Emma")).id(id);
        let again = again.and_wait_for::<TitleList>().await.expect("shows");
        assert!(again.replayed());
        assert_eq!(app.query(CountTitles {}).await.expect("answers"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_command_that_is_not_carried_out_fails_as_without_the_wait() {
    on_each(titles::module(), |app| async move {
        let refused = app.execute(title("")).and_wait_for::<TitleList>().await;
        let error = refused.expect_err("is rejected");
        assert!(error.receipt().is_none());
        assert!(
            matches!(error, WaitError::Command(CommandError::Rejected(_))),
            "{error}"
        );
        // A mistake in the program, so nothing is sent.
        let unknown = app.execute(title("Emma")).and_wait_for::<Shelves>().await;
        let error = unknown.expect_err("is not there");
        let WaitError::Command(CommandError::Failed(Failure::NoProjection { name, .. })) = &error
        else {
            panic!("{error}");
        };
        assert_eq!(*name, "shelves");
        let text = error.to_string();
        let module = "include `suite::own_writes::elsewhere` with `.module(..)` on the builder";
        assert!(text.contains(module), "{text}");
        assert!(text.contains(file!()), "{text}");
        assert_eq!(app.log().head().await.expect("is read"), Position::START);
    })
    .await;
}
