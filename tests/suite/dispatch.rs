//! Commands and queries, typed and by name: rejections, invalid input, unknown names.

mod conflicts;
mod failures;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;

use crate::support::stores::on_each_with;
use conflicts::Gate;

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
        assert_eq!(invalid.field.as_deref(), Some("cents"));
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

pub fn services(builder: Builder) -> Builder {
    builder
        .provide(Arc::new(Calls::default()))
        .provide(Arc::new(Gate::default()))
}
