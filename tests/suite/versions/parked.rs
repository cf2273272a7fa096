//! Versions with parked ids: how a fix is deployed, and what waits for an operator.

use std::time::Duration;

use cqrs_core::app::{Builder, SubscriptionState};
use cqrs_core::error::{OperationError, QueryErrorKind};
use cqrs_core::{Dispatcher, Module, Position};

use crate::support::stores::on_each_twice;

/// What all programs have in common.
mod payments {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Pay {
        pub payment: u32,
        pub cents: i64,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "paid", version = 1)]
    pub struct Paid {
        #[id("payment")]
        pub payment: u32,
        pub cents: i64,
    }

    #[command_handler]
    fn pay(Pay { payment, cents }: Pay) -> Paid {
        Paid { payment, cents }
    }
}

/// A program: its version, and what its fold makes of the cents of an event.
macro_rules! program {
    ($name:ident, $version:tt $(, unchanged = $unchanged:tt)?; $cents:expr) => {
        mod $name {
            use cqrs_core::prelude::*;

            use super::payments::Paid;

            cqrs_core::module!();

            #[derive(ReadModel, Clone, Serialize, Deserialize)]
            pub struct Payment {
                #[key]
                pub payment: u32,
                pub cents: i64,
            }

            pub struct Payments;

            #[projection(
                name = "payments",
                version = $version,
                partition = "payment",
                on_failure = "park"
                $(, unchanged = $unchanged)?
            )]
            impl Payments {
                #[on]
                fn paid(event: &Paid, payments: &mut Views<Payment>) -> Result<()> {
                    let cents: fn(i64) -> Option<i64> = $cents;
                    let refused = || Error::message("less than nothing");
                    let cents = cents(event.cents).ok_or_else(refused)?;
                    payments.put(Payment { payment: event.payment, cents });
                    Ok(())
                }
            }

            #[derive(Query, Clone, Serialize, Deserialize)]
            #[query(returns = Option<i64>)]
            pub struct CentsOf {
                pub payment: u32,
            }

            #[query_handler]
            async fn cents_of(query: CentsOf, payments: Read<Payment>) -> Result<Option<i64>> {
                Ok(payments.get(&query.payment).await?.map(|payment| payment.cents))
            }
        }
    };
}

program!(faulty, 1; |cents| (cents >= 0).then_some(cents));
program!(changed, 1; |cents| Some(cents));
program!(mended, 1, unchanged = "8129c1152426cd70"; |cents| Some(cents));
program!(renewed, 2; |cents| Some(cents * 10));
program!(still_faulty, 3; |cents| (cents >= 0).then_some(cents * 100));

use payments::Pay;

const NAME: &str = "payments";
const LIMIT: Duration = Duration::from_secs(30);

/// The payments, of which the second one is parked by a program with the fault.
const PAYMENTS: [(u32, i64); 2] = [(1, 500), (2, -500)];

/// A program that parks at once.
fn program(builder: Builder, program: Module) -> Builder {
    builder.module(program).retry_for(Duration::ZERO)
}

fn beside(other: &Dispatcher, module: Module) -> Builder {
    let builder = Dispatcher::builder().module(payments::module());
    program(builder.stores_of(other), module)
}

/// The program with the fault, which has parked a payment. Returns the position of its event.
async fn faulty(builder: Builder) -> (Dispatcher, Position) {
    let app = program(builder, faulty::module()).build().await;
    let app = app.expect("builds");
    let mut last = Position::START;
    for (payment, cents) in PAYMENTS {
        let receipt = app.execute(Pay { payment, cents }).await.expect("is paid");
        let query = app.query(faulty::CentsOf { payment });
        let answer = query.after(&receipt).max_wait(LIMIT).await;
        let is_parked = answer.is_err_and(|it| matches!(it.kind(), QueryErrorKind::Parked(_)));
        assert_eq!(is_parked, cents < 0);
        last = receipt.last();
    }
    (app, last)
}

#[tokio::test]
async fn a_fix_is_deployed_as_the_same_version_if_other_views_stay_as_they_are() {
    on_each_twice(payments::module(), async |[one, other]| {
        let (old, _) = faulty(one).await;
        let refused = beside(&old, changed::module()).build().await;
        let error = refused.err().expect("the fold has changed").to_string();
        assert!(error.contains("unchanged = \""), "{error}");
        old.shutdown(LIMIT).await.expect("ends");
        let new = program(other, mended::module()).build().await;
        let new = new.expect("it is said to be unchanged");
        // The fix does not release by itself.
        let of = |payment| mended::CentsOf { payment };
        assert_eq!(new.query(of(2)).await.expect("answers"), None);
        new.subscriptions()
            .release(NAME, 2)
            .await
            .expect("is parked");
        new.wait_until_idle(LIMIT).await.expect("comes to rest");
        for (payment, cents) in PAYMENTS {
            let found = new.query(of(payment)).await.expect("answers");
            assert_eq!(found, Some(cents));
        }
        assert!(new.health().is_ok(), "{:?}", new.health());
    })
    .await;
}

#[tokio::test]
async fn a_fix_in_a_new_version_needs_no_release() {
    on_each_twice(payments::module(), async |[one, other]| {
        let (old, position) = faulty(one).await;
        let held = program(other, renewed::module()).hold_versions(true);
        let new = held.build().await.expect("builds");
        let caught_up = new.wait_until_caught_up(position, LIMIT).await;
        caught_up.expect("catches up");
        let health = new.health();
        let [subscription] = &health.subscriptions[..] else {
            panic!("{health:?}");
        };
        assert!(
            matches!(subscription.state, SubscriptionState::Rebuilding { .. }),
            "{health:?}"
        );
        // Queries are answered without the events of the parked id.
        let answering = subscription.answered_by.as_ref().expect("version 1");
        assert_eq!(answering.version, 1);
        assert_eq!(answering.state, SubscriptionState::Parked { keys: 1 });
        assert!(!subscription.is_ok() && !health.is_ok(), "{health:?}");
        let of = |payment| renewed::CentsOf { payment };
        assert_eq!(new.query(of(2)).await.expect("answers"), None);
        let released = new.subscriptions().release(NAME, 2).await;
        let error = released.expect_err("is parked in version 1").to_string();
        let expected = "`payments` has not parked `2` in the version of this program, but in version 1: \
                        release it with a program of that version";
        assert_eq!(error, expected);
        let none = new.subscriptions().release(NAME, 1).await;
        let error = none.expect_err("is not parked").to_string();
        assert!(error.ends_with("`parked` lists the keys that it has"), "{error}");

        new.subscriptions().switch(NAME).await.expect("is complete");
        for (payment, cents) in PAYMENTS {
            let found = new.query(of(payment)).await.expect("answers");
            assert_eq!(found, Some(cents * 10));
        }
        assert!(new.health().is_ok(), "{:?}", new.health());
        assert!(!old.health().is_ok(), "{:?}", old.health());
    })
    .await;
}

#[tokio::test]
async fn a_new_version_with_parked_ids_waits_until_they_are_settled() {
    on_each_twice(payments::module(), async |[one, other]| {
        let (old, position) = faulty(one).await;
        let new = program(other, still_faulty::module()).build().await;
        let new = new.expect("builds");
        let subscriptions = new.subscriptions();
        let rebuild = async || {
            let mut rebuild = subscriptions.rebuild(NAME).await.expect("is not live");
            while let Some(progress) = rebuild.next().await {
                let progress = progress?;
                assert!(progress.position <= position, "{progress}");
            }
            Ok(())
        };
        let error = rebuild().await.expect_err("it does not become live");
        assert!(
            matches!(error, OperationError::Incomplete { keys: 1, .. }),
            "{error}"
        );
        new.wait_until_idle(LIMIT).await.expect("waits for no one");
        let state = &new.health().subscriptions[0].state;
        assert_eq!(*state, SubscriptionState::Parked { keys: 1 });
        let live = async || {
            let versions = subscriptions.versions(NAME).await.expect("is read");
            let mut live = versions.iter().filter(|it| it.is_live);
            live.next().map(|it| it.version)
        };
        assert_eq!(live().await, Some(1));
        let of = |payment| still_faulty::CentsOf { payment };
        assert_eq!(new.query(of(1)).await.expect("answers"), Some(500));

        let skipped = subscriptions.skip(NAME, position, "was paid back").await;
        skipped.expect("it is the first one of a parked id");
        rebuild().await.expect("it is complete soon");
        assert_eq!(live().await, Some(3));
        drop(old);
    })
    .await;
}

#[tokio::test]
async fn an_operator_may_switch_to_a_version_with_parked_ids() {
    on_each_twice(payments::module(), async |[one, other]| {
        let (_old, position) = faulty(one).await;
        let new = program(other, still_faulty::module()).build().await;
        let new = new.expect("builds");
        let caught_up = new.wait_until_caught_up(position, LIMIT).await;
        caught_up.expect("catches up");
        new.subscriptions().switch(NAME).await.expect("by hand");
        let of = |payment| still_faulty::CentsOf { payment };
        assert_eq!(new.query(of(1)).await.expect("answers"), Some(50_000));
        assert_eq!(new.query(of(2)).await.expect("answers"), None);
        assert!(!new.health().is_ok(), "{:?}", new.health());
    })
    .await;
}
