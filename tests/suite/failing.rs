//! A projection that fails: its event is retried, reported and never skipped.

use std::time::Duration;

use cqrs_core::app::{SubscriptionKind, SubscriptionState};

use crate::support::stores::on_each_with;

mod words {
    use std::sync::atomic::{AtomicBool, Ordering};

    use cqrs_core::prelude::*;
    cqrs_core::module!();

    pub static BROKEN: AtomicBool = AtomicBool::new(true);

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Say {
        pub word: String,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "said", version = 1)]
    pub struct Said {
        pub word: String,
    }

    #[command_handler]
    fn say(Say { word }: Say) -> Said {
        Said { word }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Word {
        #[key]
        pub word: String,
        pub count: u32,
    }

    pub struct Words;

    #[projection(name = "words", version = 1)]
    impl Words {
        #[on]
        fn said(event: &Said, words: &mut Views<Word>) -> Result<()> {
            let word = event.word.clone();
            let count = words.get(&word)?.map_or(0, |word: Word| word.count);
            words.put(Word {
                word,
                count: count + 1,
            });
            // After the write: what a failed fold has written must not stay.
            if event.word == "curse" && BROKEN.load(Ordering::SeqCst) {
                return Err(Error::message("such words are not kept"));
            }
            assert!(
                event.word != "shout" || !BROKEN.load(Ordering::SeqCst),
                "too loud"
            );
            Ok(())
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct CountOf {
        pub word: String,
    }

    #[query_handler]
    async fn count_of(query: CountOf, words: Read<Word>) -> Result<u32> {
        Ok(words.get(&query.word).await?.map_or(0, |word| word.count))
    }
}

#[tokio::test]
async fn a_failing_event_is_retried_reported_and_never_skipped() {
    for bad in ["curse", "shout"] {
        on_each_with(words::module(), |builder| builder, |app| async move {
            use std::sync::atomic::Ordering;

            use words::{BROKEN, CountOf, Say};
            BROKEN.store(true, Ordering::SeqCst);
            let say = async |word: &str| {
                app.execute(Say { word: word.into() }).await.expect("is said")
            };
            let count = |word: &str| CountOf { word: word.into() };
            let good = say("hello").await;
            let answer = app.query(count("hello")).after(&good).await;
            assert_eq!(answer.expect("answers"), 1);
            say(bad).await;
            let last = say("hello").await;

            let wait = Duration::from_millis(200);
            let behind = app.query(count("hello")).after(&last).max_wait(wait).await;
            let behind = behind.expect_err("is behind").to_string();
            let start = "projection `words` reached position 1 but not 3 within 200ms: `said` failed at the event at position 2 (`said`): ";
            assert!(behind.starts_with(start), "{behind}");
            assert_eq!(app.query(count(bad)).await.expect("answers"), 0, "no half fold stays");
            let health = app.health();
            assert!(!health.is_ok());
            let [subscription] = &health.subscriptions[..] else { panic!("{health:?}") };
            assert_eq!((subscription.name, subscription.kind), ("words", SubscriptionKind::Projection));
            assert_eq!(subscription.behind(health.head), 2);
            assert!(matches!(subscription.state, SubscriptionState::Failing { .. }), "{health:?}");

            BROKEN.store(false, Ordering::SeqCst);
            let answer = app.query(count("hello")).after(&last).await;
            assert_eq!(answer.expect("answers"), 2);
            assert_eq!(app.query(count(bad)).await.expect("answers"), 1);
            assert!(app.health().is_ok());
        })
        .await;
    }
}
