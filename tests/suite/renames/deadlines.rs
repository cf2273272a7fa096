//! Deadlines that the program of before has set, whose event was renamed.

use std::time::Duration;

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::{Memory, Module};

use super::library::{UNLUCKY, after, before, without};
use super::{LONG, count, idle};
use crate::support::parked::{parked, until};
use crate::support::stores::on_each;

fn beside(other: &Dispatcher, module: Module) -> Builder {
    let builder = Dispatcher::builder().module(module).stores_of(other);
    builder.retry_for(Duration::ZERO)
}

async fn build(builder: Builder) -> Dispatcher {
    builder.build().await.expect("builds")
}

async fn shut_down(app: &Dispatcher) {
    idle(app).await;
    app.shutdown(LONG).await.expect("ends");
}

async fn assert_nobody_is_parked(app: &Dispatcher) {
    assert_eq!(parked(app, "lending").await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deadline_with_a_renamed_event_is_canceled_moved_and_replaced() {
    on_each(before::module(), async |first| {
        for loan in 1..=4 {
            before::lend_book(&first, loan, false).await;
        }
        shut_down(&first).await;

        let renamed = build(beside(&first, after::module())).await;
        for loan in 1..=4 {
            let expected = format!(r#"loan-expired {{"fee":0,"loan":{loan}}}"#);
            assert_eq!(after::deadlines(&renamed, loan).await, [expected]);
        }
        after::tell_of(&renamed, 1, after::News::Returned).await;
        after::tell_of(&renamed, 2, after::News::Extended).await;
        after::tell_of(&renamed, 3, after::News::Recalled).await;
        after::tell_of(&renamed, 4, after::News::Read).await;
        idle(&renamed).await;
        assert_eq!(after::deadlines(&renamed, 1).await, [""; 0]);
        let extended = [r#"loan-expired {"fee":2,"loan":2}"#];
        assert_eq!(after::deadlines(&renamed, 2).await, extended);
        assert_eq!(after::deadlines(&renamed, 3).await, [""; 0]);
        assert_eq!(count(&renamed, "loan-expired").await, 1);
        assert_eq!(count(&renamed, "book-reminded-of").await, 1);
        assert!(after::is_over(&renamed, 3).await);
        assert_nobody_is_parked(&renamed).await;
        shut_down(&renamed).await;

        // What it has set is still that of the program of before.
        let again = build(beside(&first, before::module())).await;
        let expected = [r#"book-overdue {"loan":4}"#];
        assert_eq!(before::deadlines(&again, 4).await, expected);
        before::tell_of(&again, 4, before::News::Returned).await;
        idle(&again).await;
        assert_eq!(before::deadlines(&again, 4).await, [""; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deadline_with_a_renamed_event_becomes_due() {
    on_each(before::module(), async |first| {
        for loan in [1, UNLUCKY] {
            before::lend_book(&first, loan, false).await;
        }
        shut_down(&first).await;
        let later = || Timestamp::now() + Duration::from_secs(2 * 3600);
        let renamed = build(beside(&first, after::module()).clock(later)).await;
        idle(&renamed).await;
        assert_eq!(after::deadlines(&renamed, 1).await, [""; 0]);
        assert_eq!(count(&renamed, "loan-expired").await, 1);
        assert_eq!(count(&renamed, "book-reminded-of").await, 1);
        assert!(after::is_over(&renamed, 1).await);
        let parked = parked(&renamed, "lending").await;
        let causes: Vec<_> = parked.iter().map(|it| (&*it.key, &*it.cause)).collect();
        let [("13", cause)] = causes[..] else {
            panic!("{causes:?}")
        };
        assert!(cause.contains("`loan-expired`"), "{cause}");
        assert!(cause.contains("13 brings bad luck"), "{cause}");
    })
    .await;
}

/// Its rows are lost, so the renamed program derives them from the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deadline_that_was_due_under_the_earlier_name_is_not_due_again() {
    on_each(before::module(), async |first| {
        before::lend_book(&first, 1, true).await;
        shut_down(&first).await;
        assert_eq!(count(&first, "book-overdue").await, 1);
        let renamed = Dispatcher::builder().module(after::module());
        let renamed = renamed.log(first.log().clone()).views(Memory::new());
        let renamed = build(renamed).await;
        let subscriptions = renamed.subscriptions();
        let rewound = subscriptions.rewind("lending", Position::START);
        rewound.await.expect("begins again");
        let has_begun = || async {
            let lending = renamed.process::<after::Lending>(&1).await;
            lending.expect("reads").is_some()
        };
        until(has_begun, &renamed).await;
        idle(&renamed).await;
        assert_eq!(after::deadlines(&renamed, 1).await, [""; 0]);
        assert_eq!(count(&renamed, "loan-expired").await, 1);
        assert_eq!(count(&renamed, "book-reminded-of").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deadline_whose_event_an_upcaster_leaves_out_is_none() {
    on_each(before::module(), async |first| {
        for loan in [1, 2] {
            before::lend_book(&first, loan, false).await;
        }
        shut_down(&first).await;
        let head = first.log().heads().position();
        let later = || Timestamp::now() + Duration::from_secs(2 * 3600);
        let without = build(beside(&first, without::module()).clock(later)).await;
        assert_eq!(without::deadlines(&without, 1).await, [""; 0]);
        idle(&without).await;
        assert_eq!(
            without.log().heads().position(),
            head,
            "nothing is recorded"
        );
        assert_nobody_is_parked(&without).await;
    })
    .await;
}
