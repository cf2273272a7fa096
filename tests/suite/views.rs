//! Views that cannot be kept, and the limits of what can.

use cqrs_core::app::SubscriptionState;
use cqrs_core::prelude::*;
use cqrs_core::views::{Page, SortKey};

use crate::support::stores::on_each_with;

/// Messages, without what follows the log: so that a projection finds several events at once.
mod cards {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// What is written on a card.
    #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
    pub enum Ink {
        Good,
        NotANumber,
        Infinite,
        DeeplyNested,
        Invisible,
        EmptySome,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Write {
        pub key: String,
        pub label: String,
        pub ink: Ink,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "card-written", version = 1)]
    pub struct CardWritten {
        pub key: String,
        pub label: String,
        pub ink: Ink,
    }

    #[command_handler]
    fn write(Write { key, label, ink }: Write) -> CardWritten {
        CardWritten { key, label, ink }
    }
}

mod reading {
    use cqrs_core::prelude::*;
    use cqrs_core::views::Page;
    use serde_json::Value;

    use super::cards::{CardWritten, Ink};

    cqrs_core::module!();

    #[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Card {
        #[key]
        pub key: String,
        #[index]
        pub label: String,
        pub body: Body,
    }

    // `Some(None)` and a reference to a `bool` are what serde makes people write.
    #[allow(clippy::option_option)]
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Body {
        pub ratio: f64,
        pub share: Option<f64>,
        pub extra: Option<Option<u32>>,
        pub note: Value,
        #[serde(skip_serializing_if = "is_hidden")]
        pub hidden: bool,
    }

    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_hidden(hidden: &bool) -> bool {
        *hidden
    }

    pub struct Cards;

    #[projection(name = "cards", version = 1)]
    impl Cards {
        #[on]
        fn written(event: &CardWritten, cards: &mut Views<Card>) {
            let mut body = Body {
                ratio: 0.5,
                share: Some(0.5),
                extra: None,
                note: Value::Null,
                hidden: false,
            };
            match event.ink {
                Ink::Good => {}
                Ink::NotANumber => body.ratio = f64::NAN,
                Ink::Infinite => body.share = Some(f64::INFINITY),
                Ink::DeeplyNested => {
                    body.note = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
                }
                Ink::Invisible => body.hidden = true,
                Ink::EmptySome => body.extra = Some(None),
            }
            cards.put(Card {
                key: event.key.clone(),
                label: event.label.clone(),
                body,
            });
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Page<Card>)]
    pub struct AllCards;

    #[query_handler]
    async fn all_cards(_: AllCards, cards: Read<Card>) -> Result<Page<Card>> {
        cards.find().page().await
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Vec<Card>)]
    pub struct Labeled {
        pub label: String,
    }

    #[query_handler]
    async fn labeled(query: Labeled, cards: Read<Card>) -> Result<Vec<Card>> {
        cards.find().eq(Card::LABEL, &query.label).all().await
    }
}

use cards::{Ink, Write};
use reading::{AllCards, Card, Labeled};

/// Another dispatcher on the same store, with the projection: it starts at the checkpoint.
async fn reader(app: &Dispatcher) -> Dispatcher {
    let builder = Dispatcher::builder().module(reading::module());
    let builder = builder.stores_of(app);
    builder.build().await.expect("builds")
}

async fn failure(app: &Dispatcher) -> String {
    loop {
        let state = &app.health().subscriptions[0].state;
        if let SubscriptionState::Failing { error, .. } = state {
            return error.clone();
        }
        tokio::task::yield_now().await;
    }
}

fn card(key: impl Into<String>, label: impl Into<String>, ink: Ink) -> Write {
    let (key, label) = (key.into(), label.into());
    Write { key, label, ink }
}

/// Writes a good card, the one that cannot be kept, and another good one.
async fn is_refused(app: Dispatcher, bad: Write, why: &str) {
    for write in [
        card("a", "first", Ink::Good),
        bad,
        card("c", "last", Ink::Good),
    ] {
        app.execute(write).await.expect("is recorded");
    }
    // The second time is a restart.
    for _ in 0..2 {
        let reader = reader(&app).await;
        let error = failure(&reader).await;
        let start = "`written` failed at the event at position 2 (`card-written`): view `";
        assert!(error.starts_with(start), "{error}");
        assert!(error.contains("` of `card`: "), "{error}");
        assert!(error.contains(why), "{error} does not contain {why}");
        let Page { items, total } = reader.query(AllCards).await.expect("others are readable");
        let keys: Vec<_> = items.iter().map(|card| &*card.key).collect();
        assert_eq!((keys, total), (vec!["a"], 1));
    }
}

#[tokio::test]
async fn a_view_that_could_not_be_read_back_fails_the_fold_that_makes_it() {
    for (ink, why) in [
        (Ink::NotANumber, "`body.ratio`: JSON has no NaN"),
        (Ink::Infinite, "`body.share`: JSON has no infinity"),
        (Ink::DeeplyNested, "recursion limit"),
        (Ink::Invisible, "missing field `hidden`"),
        (Ink::EmptySome, "`body.extra`: JSON has `null`"),
    ] {
        on_each_with(
            cards::module(),
            |builder| builder,
            |app| is_refused(app, card("b", "bad", ink), why),
        )
        .await;
    }
}

#[tokio::test]
async fn keys_and_index_values_are_as_long_on_every_store() {
    let longest = "k".repeat(SortKey::MAX_BYTES);
    // Where U+0000 has to be escaped, it takes two bytes.
    let escaped = "\0".repeat(SortKey::MAX_BYTES / 2);
    let (longest, escaped) = (&*longest, &*escaped);
    on_each_with(
        cards::module(),
        |builder| builder,
        |app| async move {
            let reader = reader(&app).await;
            let mut last = Position::START;
            for key in [longest, escaped] {
                let write = card(key, longest, Ink::Good);
                last = app.execute(write).await.expect("is recorded").last();
            }
            let label = longest.to_owned();
            let found = reader.query(Labeled { label }).after_position(last).await;
            let keys: Vec<_> = found
                .expect("answers")
                .into_iter()
                .map(|card: Card| card.key)
                .collect();
            assert_eq!(keys, [escaped, longest]);
        },
    )
    .await;
    let over = |text: &str| format!("{text}\0");
    for (bad, why) in [
        (
            card(over(longest), "", Ink::Good),
            "its key has 1026 bytes, at most 1024",
        ),
        (
            card(over(escaped), "", Ink::Good),
            "its key has 1026 bytes, at most 1024",
        ),
        (
            card("b", over(longest), Ink::Good),
            "its index `label` has 1025 bytes, at most 1024",
        ),
    ] {
        on_each_with(
            cards::module(),
            |builder| builder,
            |app| is_refused(app, bad.clone(), why),
        )
        .await;
    }
}

mod totals {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Pay {
        pub cents: u64,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "paid", version = 1)]
    pub struct Paid {
        pub cents: u64,
    }

    #[command_handler]
    fn pay(Pay { cents }: Pay) -> Paid {
        Paid { cents }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Total {
        #[key]
        key: u8,
        pub cents: u64,
        pub payments: u32,
    }

    pub struct Totals;

    #[projection(name = "totals", version = 1)]
    impl Totals {
        #[on]
        fn paid(event: &Paid, totals: &mut Views<Total>) -> Result<()> {
            let first = || Total {
                key: 0,
                cents: event.cents,
                payments: 1,
            };
            totals.upsert(&0, first, |total| {
                total.cents += event.cents;
                total.payments += 1;
            })
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = (u64, u32))]
    pub struct AllPayments;

    #[query_handler]
    async fn all_payments(_: AllPayments, totals: Read<Total>) -> Result<(u64, u32)> {
        let total = totals.get(&0).await?;
        Ok(total.map_or((0, 0), |total| (total.cents, total.payments)))
    }
}

#[tokio::test]
async fn an_upsert_counts_the_first_event_once() {
    use totals::{AllPayments, Pay};
    on_each_with(
        totals::module(),
        |builder| builder,
        |app| async move {
            for (payments, expected) in [(1, (100, 1)), (2, (200, 2)), (3, (300, 3))] {
                let receipt = app.execute(Pay { cents: 100 }).await.expect("is recorded");
                let answer = app.query(AllPayments).after(&receipt).await;
                assert_eq!(
                    answer.expect("answers"),
                    expected,
                    "after {payments} payments"
                );
            }
        },
    )
    .await;
}
