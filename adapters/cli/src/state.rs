use clap::Args;
use cqrs_core::error::Failure;
use cqrs_core::store::EventLogExt;
use cqrs_core::{Actor, Dispatcher, Position, Timestamp};

use crate::error::CliError;
use crate::out::{escape_json_controls, print_json, print_line};

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// The aggregate, as the tags of its events name it
    name: String,
    /// Its id, or its ids in the order of their declaration
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// The state after the event at this position [default: the end of the log]
    #[arg(long, value_name = "POSITION")]
    at: Option<u64>,
    /// The state at this time, as `2026-03-01T12:00:00Z`
    #[arg(long, value_name = "TIME", conflicts_with = "at")]
    at_time: Option<Timestamp>,
}

/// Prints the state of an aggregate.
pub(crate) async fn run(
    dispatcher: &Dispatcher,
    arguments: &StateArgs,
    actor: Actor,
    as_json: bool,
) -> Result<(), CliError> {
    let name = &arguments.name;
    let ids: Vec<_> = arguments.ids.iter().map(String::as_str).collect();
    let mut call = dispatcher.state_json(name, &ids)?.actor(actor);
    let mut history = call.history();
    if let Some(position) = arguments.at.map(Position::new) {
        let head = dispatcher.log().head().await.map_err(Failure::from)?;
        if position > head {
            let text = format!("the log ends at position {head}, before {position}");
            return Err(CliError::Refused(text));
        }
        call = call.at(position);
        history = history.up_to(position);
    }
    if let Some(time) = arguments.at_time {
        call = call.at_time(time);
        history = history.until(time);
    }
    let first = history.stream()?.next().await.map_err(Failure::from)?;
    if first.is_none() {
        let aggregate = format!("{name} {}", ids.join(" "));
        let text = if arguments.at.is_none() && arguments.at_time.is_none() {
            format!("there are no events of {aggregate}")
        } else {
            format!("there were no events of {aggregate} by then")
        };
        return Err(CliError::Refused(text));
    }
    let Some(state) = call.await? else {
        return Err(CliError::Invalid(format!(
            "the state of `{name}` is not shown: its type does not derive `Serialize`, or it cannot be JSON"
        )));
    };
    if as_json {
        return Ok(print_json(&state)?);
    }
    Ok(print_line(escape_json_controls(&format!("{state:#}")))?)
}
