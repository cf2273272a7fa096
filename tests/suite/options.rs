//! Every option of the dispatcher's builder takes every value: the largest means no limit, the
//! smallest is obeyed or refused where the dispatcher is built.

use std::time::Duration;

use cqrs_core::app::BuildError;
use cqrs_core::app::Builder;
use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;

use crate::support::stores::on_each_with;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Press {
    #[id(Bell)]
    bell: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bell-rung", version = 1)]
pub struct Rung {
    #[id(Bell)]
    bell: u32,
}

#[derive(Default)]
pub struct Bell;

#[aggregate(id = u32)]
impl Bell {
    #[apply]
    fn rung(&mut self, _: &Rung) {}
}

#[command_handler]
async fn press(cmd: Press, _: &Bell) -> Rung {
    tokio::task::yield_now().await;
    Rung { bell: cmd.bell }
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Ring {
    #[key]
    bell: u32,
}

pub struct Rings;

#[projection(name = "rings", version = 1)]
impl Rings {
    #[on]
    fn rung(event: &Rung, rings: &mut Views<Ring>) {
        rings.put(Ring { bell: event.bell });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = bool)]
pub struct HasRung {
    bell: u32,
}

#[query_handler]
async fn has_rung(query: HasRung, rings: Read<Ring>) -> Result<bool> {
    Ok(rings.get(&query.bell).await?.is_some())
}

/// Two commands at once about one aggregate, and a query that waits for them.
async fn ring(app: &Dispatcher) {
    let (first, second) = tokio::join!(
        app.execute(Press { bell: 1 }).into_future(),
        app.execute(Press { bell: 1 }).into_future()
    );
    first.expect("rings");
    let receipt = second.expect("rings");
    let rung = app.query(HasRung { bell: 1 }).after(&receipt);
    assert!(rung.max_wait(Duration::MAX).await.expect("answers"));
    let rung = app.query(HasRung { bell: 1 }).after(&receipt);
    assert!(rung.await.expect("answers"));
    let caught_up = app
        .wait_until_caught_up(receipt.last(), Duration::MAX)
        .await;
    caught_up.expect("catches up");
    let pressed = app.execute_json("Press", br#"{"bell":2}"#).await;
    pressed.expect("rings");
}

#[tokio::test]
async fn the_largest_value_of_an_option_means_no_limit() {
    let options: [fn(Builder) -> Builder; 12] = [
        |it| it.attempts(u32::MAX),
        |it| it.max_message(usize::MAX),
        |it| it.max_message_depth(usize::MAX),
        |it| it.max_wait(Duration::MAX),
        |it| it.max_transaction(Duration::MAX),
        |it| it.lease(Duration::MAX),
        |it| it.max_decision_wait(Duration::MAX),
        |it| it.max_causation_depth(u32::MAX),
        |it| it.max_caused_commands(u32::MAX),
        |it| it.state_cache(usize::MAX),
        |it| it.state_cache_bytes(usize::MAX),
        |it| it.state_cache(usize::MAX).state_cache_bytes(usize::MAX),
    ];
    for option in options {
        on_each_with(module(), option, |app| async move { ring(&app).await }).await;
    }
}

#[tokio::test]
async fn zero_is_obeyed_where_it_makes_sense() {
    let options: [fn(Builder) -> Builder; 3] = [
        |it| it.attempts(0),
        |it| it.state_cache(0),
        |it| it.state_cache_bytes(0),
    ];
    for option in options {
        on_each_with(module(), option, |app| async move { ring(&app).await }).await;
    }
    let hasty = |it: Builder| {
        it.max_wait(Duration::ZERO)
            .max_decision_wait(Duration::ZERO)
    };
    on_each_with(module(), hasty, |app| async move {
        let receipt = app.execute(Press { bell: 1 }).await.expect("rings");
        // It may be there already, but nothing waits for it.
        let rung = app.query(HasRung { bell: 1 }).after(&receipt).await;
        if let Err(error) = rung {
            assert!(matches!(error.kind(), QueryErrorKind::NotCaughtUp(_)));
        }
    })
    .await;
}

#[tokio::test]
async fn zero_is_refused_where_nothing_could_be_done() {
    type Change = fn(Builder) -> Builder;
    let options: [(Change, &str); 6] = [
        (|it| it.max_message(0), "`max_message` is 0"),
        (|it| it.max_message_depth(0), "`max_message_depth` is 0"),
        (
            |it| it.max_transaction(Duration::ZERO),
            "`max_transaction` is 0",
        ),
        (|it| it.lease(Duration::ZERO), "`lease` is 0"),
        (|it| it.max_causation_depth(0), "`max_causation_depth` is 0"),
        (|it| it.max_caused_commands(0), "`max_caused_commands` is 0"),
    ];
    for (option, text) in options {
        let builder = option(Dispatcher::builder().module(module()).store(Memory::new()));
        let error = builder.build().await.err().expect("is refused");
        assert!(matches!(error, BuildError::Wiring(_)));
        assert!(error.to_string().contains(text), "{error}");
    }
}
