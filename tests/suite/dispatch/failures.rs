//! Panics and failures of handlers, which are neither rejections nor conflicts.

use cqrs_core::error::{Failure, QueryErrorKind};
use cqrs_core::prelude::*;

use super::{Broke, module, pay_of, services};
use crate::support::stores::on_each_with;

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
            let error = outcome.expect_err("panics");
            assert!(matches!(
                error.kind(),
                QueryErrorKind::Failed(Failure::Panicked { .. })
            ));
            let text = error.to_string();
            assert!(text.ends_with("attempt to divide by zero"), "{text}");
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
