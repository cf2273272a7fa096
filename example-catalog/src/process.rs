use clap::{Arg, ArgAction, Command, value_parser};
use cqrs_cli::Column::{Left, Right};
use cqrs_cli::{Call, CliError, Columns, HEADING, escape_controls, events_table, print_line, time};
use cqrs_core::Dispatcher;
use cqrs_core::app::{PendingEffect, Process};
use example_catalog::checkout::Checkout;
use example_catalog::orders::OrderId;

/// The arguments of the verb.
pub fn command() -> Command {
    let name = Arg::new("name").required(true).value_parser(["checkout"]);
    let id = Arg::new("id")
        .required(true)
        .value_parser(value_parser!(u64));
    let full = Arg::new("full").long("full").action(ArgAction::SetTrue);
    Command::new("process")
        .about("Shows a conversation of a process manager: its state, what it is about to do, and its events")
        .arg(name.help("The process manager"))
        .arg(id.help("The order"))
        .arg(full.help("Shows complete ids of correlation and causation, not only their ends"))
}

/// Prints an instance of a process manager.
pub async fn run(call: Call) -> Result<(), CliError> {
    let order = call.matches().get_one("id").copied().unwrap_or_default();
    let full = call.matches().get_flag("full");
    let dispatcher = call.look().await?;
    let shown = show(&dispatcher, OrderId(order), full);
    call.run(&dispatcher, shown).await
}

async fn show(dispatcher: &Dispatcher, id: OrderId, full: bool) -> Result<(), CliError> {
    let call = || dispatcher.process::<Checkout>(&id);
    let (instance, late) = (call().await?, call().late().await?);
    let events = call().history().all().await?;
    if instance.is_none() && events.is_empty() {
        return Err(CliError::Refused(format!(
            "there are no events of an order {id}"
        )));
    }
    print_line(summary(instance.as_ref(), late)?)?;
    if let Some(Process {
        commands,
        deadlines,
        ..
    }) = &instance
    {
        section("commands to send", commands)?;
        section("deadlines", deadlines)?;
    }
    print_line(format_args!("\n{HEADING}history{HEADING:#}"))?;
    print_line(events_table(&events, full))?;
    Ok(())
}

fn summary(instance: Option<&Process<Checkout>>, late: u64) -> Result<String, CliError> {
    let mut lines = Vec::new();
    if let Some(instance) = instance {
        let state = serde_json::to_string(&instance.state).map_err(CliError::failed)?;
        let progress = match instance.ended {
            Some((position, at)) => format!("ended at position {position}, {}", time(at)),
            None => "running".to_owned(),
        };
        lines.push(format!(
            "{progress}; began at position {}, handled up to {}",
            instance.started, instance.position
        ));
        lines.push(format!("state: {}", escape_controls(&state)));
    } else {
        lines.push("has not begun, or was deleted some time after its end".to_owned());
    }
    if late > 0 {
        lines.push(format!("late events, which nothing has handled: {late}"));
    }
    Ok(lines.join("\n"))
}

fn section(title: &str, effects: &[PendingEffect]) -> Result<(), CliError> {
    if effects.is_empty() {
        return Ok(());
    }
    let mut table = Columns::new([
        ("BECAUSE OF", Right),
        ("DUE", Left),
        ("NAME", Left),
        ("JSON", Left),
    ]);
    for effect in effects {
        table.row([
            effect.cause.to_string(),
            effect.due.map(time).unwrap_or_default(),
            effect.name.clone(),
            escape_controls(&effect.json.to_string()),
        ]);
    }
    print_line(format_args!("\n{HEADING}{title}{HEADING:#}"))?;
    print_line(table.lines().join("\n"))?;
    Ok(())
}
