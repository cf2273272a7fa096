use anstream::adapter::strip_str;
use cqrs_core::{Actor, Dispatcher};
use serde_json::json;

use crate::error::CliError;
use crate::message::SentMessage;
use crate::out::{eprint_line, print_json_line, print_line};
use crate::receipt::outcome;
use crate::shutdown::MAX_IDLE;

/// Sends a command and prints its outcome.
pub(crate) async fn run(
    dispatcher: &Dispatcher,
    message: &SentMessage,
    actor: Actor,
    as_json: bool,
) -> Result<(), CliError> {
    let mut call = dispatcher
        .execute_json(&message.name, &message.json)
        .actor(actor)
        .with_metadata(message.metadata.clone());
    if let Some(id) = message.id {
        call = call.id(id.into());
    }
    let receipt = call.await?;
    let answer = format!("{}, command {}", outcome(&receipt), receipt.command());
    let printed = if as_json {
        let mut shown = json!(receipt);
        shown["bookmark"] = receipt.bookmark().to_string().into();
        print_json_line(&shown)
    } else {
        print_line(&answer)
    };
    // The command has succeeded, even if read models and reactions fail.
    let caught_up = dispatcher.wait_until_caught_up(receipt.last(), MAX_IDLE);
    if let Err(behind) = caught_up.await {
        eprint_line(format_args!("warning:"), &behind.to_string());
    }
    printed.map_err(|error| {
        let answer = strip_str(&answer);
        CliError::Failed(format!("{answer}; but {error}"))
    })
}
