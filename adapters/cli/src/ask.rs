use std::pin::pin;
use std::time::Duration;

use cqrs_core::store::EventLogExt;
use cqrs_core::{Actor, Dispatcher, Position};
use serde_json::{Value, json};

use crate::args::AskOptions;
use crate::error::CliError;
use crate::message::SentMessage;
use crate::out::{print_json, print_json_line};
use crate::signal::Signal;

/// Maximum time to wait for read models that an earlier run left behind.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Sends a query and prints the answer, which includes everything recorded before.
pub(crate) async fn run(
    dispatcher: &Dispatcher,
    message: &SentMessage,
    options: &AskOptions,
    actor: Actor,
) -> Result<(), CliError> {
    let after = match options.after {
        Some(position) => Position::new(position),
        None if options.stale => Position::START,
        None => dispatcher.log().head().await?,
    };
    let wait = options.max_wait.map_or(MAX_WAIT, Duration::from_secs);
    if options.watch {
        return watch(dispatcher, message, (after, wait), actor).await;
    }
    let answer = dispatcher
        .query_json(&message.name, &message.json)
        .actor(actor)
        .after_position(after)
        .max_wait(wait)
        .await?;
    print_json(&answer)?;
    if answer == Value::Null {
        Err(CliError::Silent(1))
    } else {
        Ok(())
    }
}

/// Prints the answer, and each further one as soon as it differs, one per line, until the program is told to stop.
async fn watch(
    dispatcher: &Dispatcher,
    message: &SentMessage,
    (after, wait): (Position, Duration),
    actor: Actor,
) -> Result<(), CliError> {
    let mut watch = dispatcher
        .watch_json(&message.name, &message.json)
        .actor(actor)
        .after_position(after)
        .max_wait(wait);
    // Once, so that a signal between two answers is not missed.
    let mut signaled = pin!(Signal::received());
    loop {
        let answer = tokio::select! {
            biased;
            signal = &mut signaled => return Ok(signal.map(drop)?),
            answer = watch.next() => answer,
        };
        let Some(answer) = answer else {
            return Ok(());
        };
        let answer = answer?;
        let shown = json!({"position": answer.position.get(), "answer": answer.output});
        print_json_line(&shown)?;
    }
}
