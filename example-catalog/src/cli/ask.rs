use std::time::Duration;

use cqrs_core::store::EventLogExt;
use cqrs_core::{Actor, Dispatcher};
use serde_json::Value;

use super::out::{escape_json_controls, print_line};
use super::{CliError, args, input};

/// Maximum time to wait for read models that an earlier run left behind.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Sends a query and prints the answer, which includes everything recorded before.
pub async fn run(
    dispatcher: &Dispatcher,
    ask: &args::AskArgs,
    actor: Actor,
) -> Result<(), CliError> {
    let json = input::json(&ask.json)?;
    let head = dispatcher.log().head().await?;
    let call = dispatcher.query_json(&ask.query, &json).actor(actor);
    let answer = call.after_position(head).max_wait(MAX_WAIT).await?;
    print_line(escape_json_controls(&format!("{answer:#}")))?;
    if answer == Value::Null {
        Err(CliError::Silent(1))
    } else {
        Ok(())
    }
}
