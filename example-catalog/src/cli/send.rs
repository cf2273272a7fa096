use anstream::adapter::strip_str;
use cqrs_core::{Actor, Dispatcher, Receipt};

use super::out::{GOOD, eprint_line, print_line};
use super::{CliError, args, input};

/// Sends a command and prints its outcome.
pub async fn run(
    dispatcher: &Dispatcher,
    send: &args::SendArgs,
    actor: Actor,
) -> Result<(), CliError> {
    let json = input::json(&send.json)?;
    let mut call = dispatcher.execute_json(&send.command, &json).actor(actor);
    if let Some(id) = send.id {
        call = call.id(id.into());
    }
    let receipt = call.await?;
    let answer = format!("{}, command {}", outcome(&receipt), receipt.command());
    let printed = print_line(&answer);
    // The command has succeeded, even if read models and reactions fail.
    if let Err(behind) = dispatcher
        .wait_until_caught_up(receipt.last(), super::MAX_IDLE)
        .await
    {
        eprint_line(format_args!("warning:"), &behind.to_string());
    }
    printed.map_err(|error| {
        let answer = strip_str(&answer);
        CliError::Failed(format!("{answer}; but {error}"))
    })
}

/// A receipt in words.
pub fn outcome(receipt: &Receipt) -> String {
    let positions = match (receipt.events(), receipt.first(), receipt.last()) {
        (0, ..) => "nothing to change".to_owned(),
        (1, first, _) => format!("1 event at position {first}"),
        (events, first, last) => format!("{events} events at positions {first} to {last}"),
    };
    if receipt.replayed() {
        format!("{GOOD}processed before{GOOD:#}: {positions}")
    } else {
        format!("{GOOD}done{GOOD:#}: {positions}")
    }
}
