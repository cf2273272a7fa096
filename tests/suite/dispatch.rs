//! Commands and queries: typed, by name, once, cancelled, panicking; errors stay apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cqrs_core::error::{Failure, Invalid};
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use cqrs_core::{HeldPermissions, Validate};
use tokio::sync::Notify;

use crate::support::race;
use crate::support::stores::on_each_with;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Broke)]
pub struct Pay {
    #[id(Purse)]
    pub purse: String,
    pub cents: u32,
    pub lines: Vec<Line>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Line {
    text: String,
    count: u32,
}

impl Validate for Pay {
    fn validate(&self) -> Result<(), Invalid> {
        if self.cents == 0 {
            return Err(Invalid::field("cents", "must not be 0"));
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the purse has no {0} cents")]
pub struct Broke(u32);

#[derive(Event, Serialize, Deserialize)]
#[event(name = "paid", version = 1)]
pub struct Paid {
    #[id(Purse)]
    purse: String,
    cents: u32,
}

#[derive(Default)]
pub struct Purse {
    pub spent: u32,
}

#[aggregate(id = String)]
impl Purse {
    #[apply]
    fn paid(&mut self, event: &Paid) {
        self.spent += event.cents;
    }
}

#[command_handler]
fn pay(cmd: Pay, purse: &Purse) -> Result<Paid, Broke> {
    ensure!(purse.spent + cmd.cents <= 100, Broke(cmd.cents));
    Ok(Paid {
        purse: cmd.purse,
        cents: cmd.cents,
    })
}

pub fn pay_of(cents: u32) -> Pay {
    Pay {
        purse: "mine".into(),
        cents,
        lines: Vec::new(),
    }
}

#[tokio::test]
async fn the_domains_own_error_comes_back_typed() {
    on_each_with(module(), services, |app| async move {
        app.execute(pay_of(70)).await.expect("is paid");
        match app.execute(pay_of(31)).await {
            Err(CommandError::Rejected(error)) => assert_eq!(error, Broke(31)),
            other => panic!("{other:?}"),
        }
        let json = br#"{"purse":"mine","cents":31,"lines":[]}"#;
        match app.execute_json("Pay", json).await {
            Err(CommandError::Rejected(rejection)) => {
                assert_eq!(rejection.downcast_ref(), Some(&Broke(31)));
                assert_eq!(rejection.to_string(), "the purse has no 31 cents");
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn invalid_input_is_named_and_never_reaches_the_handler() {
    on_each_with(module(), services, |app| async move {
        let error = app
            .execute(pay_of(0))
            .await
            .expect_err("is invalid")
            .to_string();
        assert_eq!(error, "invalid command: `cents`: must not be 0");
        let send = async |json: &str| match app.execute_json("Pay", json.as_bytes()).await {
            Err(CommandError::Invalid(invalid)) => invalid,
            other => panic!("{other:?}"),
        };
        let invalid = send(r#"{"purse":"mine","cents":"much","lines":[]}"#).await;
        assert_eq!(invalid.field.as_deref(), Some("cents"));
        let line = r#"{"text":"tea","count":-1}"#;
        let invalid = send(&format!(r#"{{"purse":"a","cents":1,"lines":[{line}]}}"#)).await;
        assert_eq!(invalid.field.as_deref(), Some("lines[0].count"));
        let invalid = send(r#"{"purse":"mine"}"#).await;
        assert!(
            invalid.reason.starts_with("missing field `cents`"),
            "{invalid}"
        );
        let invalid = send(r#"{"purse":"mine","cents":1,"lines":[]} and more"#).await;
        assert!(
            invalid.reason.starts_with("trailing characters"),
            "{invalid}"
        );
        // As deep as it is long: refused, not followed down the stack.
        let deep = format!("{{\"unknown\":{}", "[".repeat(100_000));
        let invalid = send(&deep).await;
        let too_deep = "objects and arrays are nested more than 64 levels deep";
        assert_eq!(invalid.reason, too_deep);
        let invalid = send(&" ".repeat(2 << 20)).await;
        assert_eq!(invalid.reason, "2097152 bytes of JSON, at most 1048576");
        assert!(
            app.events(EventQuery::All)
                .all()
                .await
                .expect("reads")
                .is_empty()
        );
    })
    .await;
}

#[tokio::test]
async fn a_misspelled_name_gets_a_suggestion() {
    on_each_with(module(), services, |app| async move {
        let error = app
            .execute_json("Pey", b"{}")
            .await
            .expect_err("is unknown");
        assert_eq!(
            error.to_string(),
            "there is no command `Pey`: did you mean `Pay`?"
        );
        let error = app
            .query_json("countcall", b"{}")
            .await
            .expect_err("is unknown");
        assert_eq!(
            error.to_string(),
            "there is no query `countcall`: did you mean `CountCalls`?"
        );
        let error = app
            .query_json("Weather", b"{}")
            .await
            .expect_err("is unknown");
        assert_eq!(error.to_string(), "there is no query `Weather`");
    })
    .await;
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Call {
    pub number: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "called", version = 1)]
pub struct Called {
    number: u32,
}

#[derive(Default)]
pub struct Calls(AtomicU32);

#[command_handler]
fn call(Call { number }: Call, calls: Service<Calls>) -> Called {
    calls.0.fetch_add(1, Ordering::SeqCst);
    Called { number }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
pub struct CountCalls {}

#[query_handler]
fn count_calls(_: CountCalls, calls: Service<Calls>) -> u32 {
    calls.0.load(Ordering::SeqCst)
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Stumble {
    late: bool,
}

#[command_handler]
async fn stumble(cmd: Stumble) {
    if cmd.late {
        tokio::task::yield_now().await;
    }
    panic!("over a {}", if cmd.late { "root" } else { "stone" });
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
pub struct Divide {
    by: u32,
}

#[query_handler]
fn divide(query: Divide) -> u32 {
    100 / query.by
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
pub struct DivideLater {
    by: u32,
}

#[query_handler]
async fn divide_later(query: DivideLater) -> Result<u32, std::num::TryFromIntError> {
    tokio::task::yield_now().await;
    u32::try_from(100 / i64::from(query.by) - 50)
}

#[tokio::test]
async fn a_panic_is_an_error_of_that_call() {
    on_each_with(module(), services, |app| async move {
        for (late, text) in [(false, "over a stone"), (true, "over a root")] {
            match app.execute(Stumble { late }).await {
                Err(CommandError::Failed(Failure::Panicked { handler, message })) => {
                    assert_eq!((handler, &*message), ("stumble", text));
                }
                other => panic!("{other:?}"),
            }
        }
        for outcome in [
            app.query(Divide { by: 0 }).await,
            app.query(DivideLater { by: 0 }).await,
        ] {
            match outcome {
                Err(QueryError::Failed(failure)) => {
                    assert!(matches!(*failure, Failure::Panicked { .. }));
                    let text = failure.to_string();
                    assert!(text.ends_with("attempt to divide by zero"), "{text}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(app.query(Divide { by: 4 }).await.expect("answers"), 25);
        assert_eq!(app.query(DivideLater { by: 1 }).await.expect("answers"), 50);
        let error = app
            .query(DivideLater { by: 5 })
            .await
            .expect_err("is negative")
            .to_string();
        let start = "`divide_later` failed: out of range integral type conversion";
        assert!(error.starts_with(start), "{error}");
        app.execute(pay_of(1)).await.expect("goes on");
    })
    .await;
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Broke)]
pub struct AskTheBank {}

#[command_handler]
async fn ask_the_bank(_: AskTheBank) -> Result<(), CommandError<Broke>> {
    Err(CommandError::failed(std::io::Error::other(
        "the line is dead",
    )))
}

#[tokio::test]
async fn a_failure_is_no_rejection() {
    on_each_with(module(), services, |app| async move {
        match app.execute(AskTheBank {}).await {
            Err(CommandError::Failed(failure)) => {
                assert_eq!(
                    failure.to_string(),
                    "`ask_the_bank` failed: the line is dead"
                );
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Count {
    #[id(Tally)]
    tally: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "tally-counted", version = 1)]
pub struct TallyCounted {
    #[id(Tally)]
    tally: u32,
    count: u32,
}

#[derive(Default)]
pub struct Tally {
    count: u32,
}

#[aggregate(id = u32)]
impl Tally {
    #[apply]
    fn counted(&mut self, event: &TallyCounted) {
        self.count = event.count;
    }
}

/// Lets a test hold a decision between its read and its append.
#[derive(Default)]
pub struct Gate {
    reached: Notify,
    open: Notify,
}

#[command_handler]
async fn count(cmd: Count, tally: &Tally, gate: Service<Gate>) -> TallyCounted {
    if cmd.tally == 0 {
        gate.reached.notify_one();
        gate.open.notified().await;
    }
    TallyCounted {
        tally: cmd.tally,
        count: tally.count + 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conflicts_are_retried() {
    on_each_with(module(), services, |app| async move {
        race(32, |_| {
            let app = app.clone();
            async move { app.execute(Count { tally: 1 }).await.expect("counts") }
        })
        .await;
        assert_eq!(app.state::<Tally>(&1).await.expect("reads").count, 32);
    })
    .await;
}

#[tokio::test]
async fn a_conflict_is_returned_after_the_last_attempt() {
    let gate = Arc::new(Gate::default());
    let once = |builder: cqrs_core::app::Builder| {
        builder
            .provide(Arc::new(Calls::default()))
            .provide(gate.clone())
            .attempts(1)
    };
    on_each_with(module(), once, |app| {
        let gate = gate.clone();
        async move {
            let held = tokio::spawn({
                let app = app.clone();
                async move { app.execute(Count { tally: 0 }).await }
            });
            gate.reached.notified().await;
            // In one dispatcher it would wait for the first.
            let builder = Dispatcher::builder().module(module());
            let other = once(builder.stores_of(&app));
            let other = other.build().await.expect("builds");
            let rival = tokio::spawn(async move { other.execute(Count { tally: 0 }).await });
            gate.reached.notified().await;
            gate.open.notify_waiters();
            let outcomes = [held.await.expect("ends"), rival.await.expect("ends")];
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
            match outcomes.into_iter().find_map(Result::err) {
                Some(CommandError::Conflict { at, attempts }) => {
                    assert_eq!((at.get(), attempts), (1, 1));
                }
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_dropped_at_any_await_leaves_nothing_half_done() {
    let gate = Arc::new(Gate::default());
    let with_gate = |builder: cqrs_core::app::Builder| {
        builder
            .provide(Arc::new(Calls::default()))
            .provide(gate.clone())
    };
    on_each_with(module(), with_gate, |app| async move {
        // Polled 0, 1, 2, .. times, then dropped; the same id then tells what became of it.
        for polls in 0.. {
            let id = CommandId::new();
            let before = app.state::<Tally>(&1).await.expect("reads").count;
            let mut call = Box::pin(app.execute(Count { tally: 1 }).id(id).into_future());
            let mut done = false;
            for _ in 0..polls {
                let polled = std::future::poll_fn(|context| {
                    std::task::Poll::Ready(call.as_mut().poll(context))
                });
                if polled.await.is_ready() {
                    done = true;
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(call);
            app.execute(Count { tally: 1 })
                .id(id)
                .await
                .expect("counts, now or before");
            let after = app.state::<Tally>(&1).await.expect("reads").count;
            assert_eq!(after, before + 1, "after {polls} polls");
            if done {
                break;
            }
        }
    })
    .await;
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct LastNumber {
    #[key]
    key: u8,
    number: u32,
}

pub struct LastNumbers;

#[projection(name = "last-numbers", version = 1)]
impl LastNumbers {
    #[on]
    fn called(event: &Called, views: &mut Views<LastNumber>) {
        views.put(LastNumber {
            key: 0,
            number: event.number,
        });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Option<u32>)]
pub struct LastCall {}

#[query_handler]
async fn last_call(_: LastCall, numbers: Read<LastNumber>) -> Result<Option<u32>> {
    Ok(numbers.get(&0).await?.map(|view| view.number))
}

#[tokio::test]
async fn a_session_reads_its_own_writes_under_one_actor() {
    let guard = |builder| services(builder).authorizer(HeldPermissions);
    on_each_with(module(), guard, |app| async move {
        let session = app.session().actor(Actor::new("anne"));
        for number in 1..=20 {
            session.execute(Call { number }).await.expect("calls");
            let seen = session.query(LastCall {}).await.expect("answers");
            assert_eq!(seen, Some(number));
        }
        assert_eq!(session.position().get(), 20);
        let events = app.events(EventQuery::All).all().await.expect("reads");
        assert!(
            events
                .iter()
                .all(|event| event.meta.actor.as_deref() == Some("anne"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_session_reads_its_own_writes_by_name() {
    let guard = |builder| services(builder).authorizer(HeldPermissions);
    on_each_with(module(), guard, |app| async move {
        let session = app.session().actor(Actor::new("anne"));
        for number in 1..=20 {
            let call = format!(r#"{{"number":{number}}}"#);
            let called = session.execute_json("Call", call.as_bytes()).await;
            called.expect("calls");
            let seen = session.query_json("LastCall", b"{}").await;
            assert_eq!(seen.expect("answers"), serde_json::json!(number));
        }
        assert_eq!(session.position().get(), 20);
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let actors = events.iter().map(|event| event.meta.actor.as_deref());
        assert!(actors.into_iter().all(|actor| actor == Some("anne")));
    })
    .await;
}

#[tokio::test]
async fn a_command_by_name_has_the_options_of_a_typed_one() {
    on_each_with(module(), services, |app| async move {
        app.execute(Call { number: 1 }).await.expect("calls");
        let first = app.events(EventQuery::All).all().await.expect("reads");
        let id = CommandId::new();
        let call = app.execute_json("Call", br#"{"number":2}"#);
        let call = call.caused_by(&first[0]).id(id).actor(Actor::new("anne"));
        call.await.expect("calls");
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let second = &events[1];
        assert_eq!(second.meta.causation, first[0].meta.id.as_uuid());
        assert_eq!(second.meta.correlation, first[0].meta.correlation);
        assert_eq!(second.meta.actor.as_deref(), Some("anne"));
        assert_eq!(second.meta.command, id);
    })
    .await;
}

pub fn services(builder: cqrs_core::app::Builder) -> cqrs_core::app::Builder {
    builder
        .provide(Arc::new(Calls::default()))
        .provide(Arc::new(Gate::default()))
}
