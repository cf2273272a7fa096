use std::time::Duration;

use cqrs_core::store::EventLogExt;
use cqrs_core::{Actor, Dispatcher};
use serde_json::Value;

use super::out::{harmless_json, say};
use super::{Stop, args, input};

/// How long to wait for read models that an earlier run left behind.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks a query and prints the answer, which has everything that was recorded before.
pub async fn run(dispatcher: &Dispatcher, ask: &args::Ask, actor: Actor) -> Result<(), Stop> {
    let json = input::json(&ask.json)?;
    let head = dispatcher.log().head().await?;
    let call = dispatcher.query_json(&ask.query, &json).actor(actor);
    let answer = call.after_position(head).max_wait(PATIENCE).await?;
    say(harmless_json(&format!("{answer:#}")))?;
    if answer == Value::Null {
        Err(Stop::Silent(1))
    } else {
        Ok(())
    }
}
