use anstream::adapter::strip_str;
use cqrs_core::{Actor, Dispatcher, Receipt};

use super::out::{GOOD, complain, say};
use super::{Stop, args, input};

/// Sends a command and says what came of it.
pub async fn run(dispatcher: &Dispatcher, send: &args::Send, actor: Actor) -> Result<(), Stop> {
    let json = input::json(&send.json)?;
    let mut call = dispatcher.execute_json(&send.command, &json).actor(actor);
    if let Some(id) = send.id {
        call = call.id(id.into());
    }
    let receipt = call.await?;
    let answer = format!("{}, command {}", outcome(&receipt), receipt.command());
    let told = say(&answer);
    // The command is done whatever read models and reactions do about it.
    if let Err(behind) = dispatcher
        .wait_until_caught_up(receipt.last(), super::PATIENCE)
        .await
    {
        complain(format_args!("warning:"), &behind.to_string());
    }
    told.map_err(|error| {
        let answer = strip_str(&answer);
        Stop::Failed(format!("{answer}; but {error}"))
    })
}

/// What a receipt says, in words.
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
