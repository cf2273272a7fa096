use std::time::Duration;

use clap::{Args, Subcommand};
use cqrs_core::app::{Role, ScheduleCall, ScheduleState, Scheduled, Undated};
use cqrs_core::{Actor, Dispatcher, ScheduleId, Timestamp};
use jiff::{Span, SpanRelativeTo};
use serde_json::{Value, json};

use crate::call::Call;
use crate::columns::Column::Left;
use crate::columns::Columns;
use crate::error::CliError;
use crate::message::SentMessage;
use crate::open::OpenMode;
use crate::out::{GOOD, escape_controls, print_json, print_json_line, print_line, time};
use crate::shutdown::run_until_signal;

/// Verbs about scheduled commands.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleVerb {
    /// Lists scheduled commands that are not carried out, or shows what has become of one
    Scheduled(ScheduledArgs),
    /// Cancels a scheduled command
    Cancel(CancelArgs),
    /// Moves a scheduled command to another time
    Reschedule(RescheduleArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ScheduledArgs {
    /// The id, as `send --at` prints it [default: all that are not carried out are listed, in the order of time]
    id: Option<ScheduleId>,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The id, as `scheduled` lists it
    id: ScheduleId,
}

#[derive(Debug, Args)]
pub(crate) struct RescheduleArgs {
    /// The id, as `scheduled` lists it
    id: ScheduleId,
    #[command(flatten)]
    when: WhenArgs,
}

/// The time of a scheduled command.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct WhenArgs {
    /// The time, as `2026-03-01T09:00:00Z`, at which the command is sent
    #[arg(long, global = true, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The duration, as `90s`, `36h` or `30d`, after which the command is sent
    #[arg(
        long = "in",
        global = true,
        value_name = "DURATION",
        value_parser = duration,
        conflicts_with = "at"
    )]
    delay: Option<Duration>,
}

impl WhenArgs {
    /// The call with its time.
    fn of<C>(self, call: Undated<C>) -> Result<C, CliError> {
        match (self.at, self.delay) {
            (Some(time), _) => Ok(call.at(time)),
            (None, Some(delay)) => Ok(call.after(delay)),
            (None, None) => Err(CliError::Invalid(
                "name a time: `--at` or `--in`".to_owned(),
            )),
        }
    }

    pub(crate) fn is_given(self) -> bool {
        self.at.is_some() || self.delay.is_some()
    }
}

/// Days have 24 hours. Months and years have no duration of their own, and are refused.
fn duration(text: &str) -> Result<Duration, String> {
    let span: Span = text
        .parse()
        .map_err(|error: jiff::Error| error.to_string())?;
    let converted = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let signed = converted.map_err(|error| error.to_string())?;
    Duration::try_from(signed).map_err(|_| "a duration is not negative".to_owned())
}

/// Runs a verb about scheduled commands.
pub(crate) async fn run(call: &Call, verb: ScheduleVerb) -> Result<(), CliError> {
    let (actor, as_json) = (call.actor(), call.is_json);
    let roles: &[Role] = match verb {
        ScheduleVerb::Scheduled(_) => &[Role::Queries],
        _ => &[Role::Commands, Role::Queries],
    };
    let dispatcher = call.build(OpenMode::MustExist, roles).await?;
    let done = async {
        match verb {
            ScheduleVerb::Scheduled(arguments) => {
                show(&dispatcher, &arguments, actor, as_json).await
            }
            ScheduleVerb::Cancel(arguments) => {
                cancel(&dispatcher, &arguments, actor, as_json).await
            }
            ScheduleVerb::Reschedule(arguments) => {
                reschedule(&dispatcher, &arguments, actor, as_json).await
            }
        }
    };
    run_until_signal(&dispatcher, done).await
}

/// Schedules a command and prints its id.
pub(crate) async fn schedule(
    dispatcher: &Dispatcher,
    message: &SentMessage,
    when: WhenArgs,
    call: &Call,
) -> Result<(), CliError> {
    let undated = dispatcher.schedule_json(&message.name, &message.json);
    let actor = call.actor();
    let mut scheduling: ScheduleCall<'_> = when.of(undated)?.actor(actor.clone());
    scheduling = scheduling.with_metadata(message.metadata.clone());
    if let Some(id) = message.id {
        scheduling = scheduling.id(id.into());
    }
    let id = scheduling.await?;
    // What was scheduled before with this id keeps its time.
    let scheduled = dispatcher.scheduled(id).actor(actor).await.ok().flatten();
    if call.is_json {
        let due = scheduled.map(|it| it.due.to_string());
        return Ok(print_json_line(
            &json!({"scheduled": id.to_string(), "due": due}),
        )?);
    }
    let due = scheduled.map_or_else(String::new, |it| format!(", due at {}", time(it.due)));
    Ok(print_line(format_args!(
        "{GOOD}scheduled{GOOD:#}: {id}{due}"
    ))?)
}

/// Prints a scheduled command, or lists all that are not carried out.
async fn show(
    dispatcher: &Dispatcher,
    arguments: &ScheduledArgs,
    actor: Actor,
    as_json: bool,
) -> Result<(), CliError> {
    let Some(id) = arguments.id else {
        let open = open(dispatcher, &actor).await?;
        return list(&open, as_json);
    };
    let Some(scheduled) = dispatcher.scheduled(id).actor(actor).await? else {
        return Err(CliError::Refused(format!(
            "no command was scheduled with the id {id}"
        )));
    };
    if as_json {
        return Ok(print_json(&as_value(id, &scheduled))?);
    }
    let (state, reason) = state(&scheduled.state);
    let mut lines = vec![
        format!("{} of {id}", scheduled.command),
        format!("state: {state}"),
        format!("due: {}", time(scheduled.due)),
        format!("actor: {}", scheduled.actor.as_deref().unwrap_or("none")),
        format!("json: {}", scheduled.json),
    ];
    lines.extend(reason.map(|reason| format!("reason: {reason}")));
    let lines = lines.iter().map(|line| escape_controls(line));
    Ok(print_line(lines.collect::<Vec<_>>().join("\n"))?)
}

/// Cancels a scheduled command.
async fn cancel(
    dispatcher: &Dispatcher,
    arguments: &CancelArgs,
    actor: Actor,
    as_json: bool,
) -> Result<(), CliError> {
    let id = arguments.id;
    let is_canceled = dispatcher.cancel(id).actor(actor).await?;
    let done = "canceled";
    told(id, is_canceled, (done, "it was due before"), as_json)
}

/// Moves a scheduled command to another time.
async fn reschedule(
    dispatcher: &Dispatcher,
    arguments: &RescheduleArgs,
    actor: Actor,
    as_json: bool,
) -> Result<(), CliError> {
    let id = arguments.id;
    let call = arguments.when.of(dispatcher.reschedule(id))?;
    let is_moved = call.actor(actor).await?;
    let words = ("moved", "it was due or canceled before");
    told(id, is_moved, words, as_json)
}

/// Prints that a change was made. One that came too late is refused.
fn told(
    id: ScheduleId,
    is_done: bool,
    (done, late): (&str, &str),
    as_json: bool,
) -> Result<(), CliError> {
    if !is_done {
        return Err(CliError::Refused(format!("{id} is not {done}: {late}")));
    }
    if as_json {
        return Ok(print_json(&json!({done: id.to_string()}))?);
    }
    Ok(print_line(format_args!("{GOOD}{done}{GOOD:#}: {id}"))?)
}

/// The scheduled commands that wait for their time or are being sent, in the order of time.
async fn open(
    dispatcher: &Dispatcher,
    actor: &Actor,
) -> Result<Vec<(ScheduleId, Scheduled)>, CliError> {
    let mut open = Vec::new();
    let mut last = None;
    loop {
        let ids = dispatcher.scheduled_ids(last, Some(actor)).await?;
        let Some(end) = ids.last() else {
            break;
        };
        last = Some(*end);
        for id in ids {
            let scheduled = dispatcher.scheduled(id).actor(actor.clone()).await?;
            let still_open = scheduled
                .filter(|it| matches!(it.state, ScheduleState::Waiting | ScheduleState::Due));
            open.extend(still_open.map(|it| (id, it)));
        }
    }
    open.sort_by_key(|(id, scheduled)| (scheduled.due, *id));
    Ok(open)
}

fn list(open: &[(ScheduleId, Scheduled)], as_json: bool) -> Result<(), CliError> {
    if as_json {
        let all = open.iter().map(|(id, scheduled)| as_value(*id, scheduled));
        return Ok(print_json(&all.collect::<Vec<_>>())?);
    }
    let mut table = Columns::new([
        ("DUE", Left),
        ("ID", Left),
        ("STATE", Left),
        ("COMMAND", Left),
        ("ACTOR", Left),
        ("JSON", Left),
    ]);
    for (id, scheduled) in open {
        table.row([
            time(scheduled.due),
            id.to_string(),
            state(&scheduled.state).0.to_owned(),
            scheduled.command.clone(),
            scheduled.actor.clone().unwrap_or_default(),
            scheduled.json.to_string(),
        ]);
    }
    Ok(print_line(table.fitted())?)
}

fn as_value(id: ScheduleId, scheduled: &Scheduled) -> Value {
    let (state, reason) = state(&scheduled.state);
    json!({
        "id": id.to_string(),
        "command": scheduled.command,
        "json": scheduled.json,
        "actor": scheduled.actor,
        "due": scheduled.due.to_string(),
        "state": state,
        "reason": reason,
    })
}

/// The name of a state, and the reason of a rejection.
fn state(state: &ScheduleState) -> (&'static str, Option<&str>) {
    match state {
        ScheduleState::Waiting => ("waiting", None),
        ScheduleState::Canceled => ("canceled", None),
        ScheduleState::Due => ("due", None),
        ScheduleState::Done => ("done", None),
        ScheduleState::Rejected(reason) => ("rejected", Some(reason)),
        _ => ("unknown", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_one_that_does_not_depend_on_the_calendar() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        assert_eq!(duration("36h").ok(), hours(36));
        assert_eq!(duration("30d").ok(), hours(30 * 24));
        assert_eq!(duration("1d 2h").ok(), hours(26));
        assert_eq!(duration("90s").ok(), Some(Duration::from_secs(90)));
        for text in ["1mo", "1y", "-1h", "soon", "", "5"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
