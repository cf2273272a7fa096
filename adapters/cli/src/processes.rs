use clap::Args;
use cqrs_core::app::{Model, NodeKind, PendingEffect, Process};
use cqrs_core::{Actor, Dispatcher};
use serde_json::{Value, json};

use crate::columns::Column::{Left, Right};
use crate::columns::Columns;
use crate::error::CliError;
use crate::events::{event_as_json, events_table};
use crate::out::{HEADING, escape_controls, print_json, print_line, time};

#[derive(Debug, Args)]
pub(crate) struct ProcessArgs {
    /// The process manager, as `explain` and `status` list it
    name: String,
    /// The id of the instance [default: all instances are listed]
    id: Option<String>,
    /// Shows complete ids of correlation and causation, not only their ends
    #[arg(long)]
    full: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeadlinesArgs {
    /// Only those of this process manager
    name: Option<String>,
}

/// An instance with its id.
type Instance = (String, Process<Value>);

/// Prints an instance of a process manager, or lists all.
pub(crate) async fn show(
    dispatcher: &Dispatcher,
    arguments: &ProcessArgs,
    actor: Actor,
    as_json: bool,
) -> Result<(), CliError> {
    let name = &arguments.name;
    let Some(id) = &arguments.id else {
        let instances = instances(dispatcher, name, &actor).await?;
        return list(&instances, as_json);
    };
    let call = || Ok::<_, CliError>(dispatcher.process_json(name, id)?.actor(actor.clone()));
    let (instance, late) = (call()?.await?, call()?.late().await?);
    let events = call()?.history().all().await?;
    if instance.is_none() && events.is_empty() {
        return Err(CliError::Refused(format!(
            "there is no instance of `{name}` with the id `{id}`"
        )));
    }
    if as_json {
        let events: Vec<_> = events.iter().map(|event| event_as_json(event)).collect();
        let instance = instance.map(|it| instance_as_json(&(id.clone(), it)));
        let shown = json!({"instance": instance, "late": late, "history": events});
        return Ok(print_json(&shown)?);
    }
    print_line(summary(instance.as_ref(), late))?;
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
    print_line(events_table(&events, arguments.full))?;
    Ok(())
}

/// Prints the deadlines that instances wait for, in the order of time.
pub(crate) async fn deadlines(
    dispatcher: &Dispatcher,
    model: &Model,
    arguments: DeadlinesArgs,
    actor: Actor,
    as_json: bool,
) -> Result<(), CliError> {
    let names: Vec<String> = if let Some(name) = arguments.name {
        vec![name]
    } else {
        let all = model.of_kind(NodeKind::ProcessManager);
        all.map(|node| node.id.name.clone()).collect()
    };
    let mut found = Vec::new();
    for name in names {
        for (id, instance) in instances(dispatcher, &name, &actor).await? {
            let deadlines = instance.deadlines.into_iter();
            found.extend(deadlines.map(|it| (name.clone(), id.clone(), it)));
        }
    }
    found.sort_by_key(|(_, _, deadline)| deadline.due);
    if as_json {
        let all = found.iter().map(|(name, id, deadline)| {
            let mut shown = effect_as_json(deadline);
            shown["process"] = name.as_str().into();
            shown["instance"] = id.as_str().into();
            shown
        });
        return Ok(print_json(&all.collect::<Vec<_>>())?);
    }
    let mut table = Columns::new([
        ("DUE", Left),
        ("PROCESS", Left),
        ("ID", Left),
        ("DEADLINE", Left),
        ("JSON", Left),
    ]);
    for (name, id, deadline) in &found {
        table.row([
            deadline.due.map(time).unwrap_or_default(),
            name.clone(),
            id.clone(),
            deadline.name.clone(),
            deadline.json.to_string(),
        ]);
    }
    Ok(print_line(table.fitted())?)
}

/// All instances, in the order of their ids. One that is deleted meanwhile is left out.
async fn instances(
    dispatcher: &Dispatcher,
    name: &str,
    actor: &Actor,
) -> Result<Vec<Instance>, CliError> {
    let mut all = Vec::new();
    let mut last: Option<String> = None;
    loop {
        let after = last.as_deref();
        let ids = dispatcher.process_ids(name, after, Some(actor)).await?;
        let Some(end) = ids.last() else {
            return Ok(all);
        };
        last = Some(end.clone());
        for id in ids {
            let call = dispatcher.process_json(name, &id)?.actor(actor.clone());
            all.extend(call.await?.map(|instance| (id, instance)));
        }
    }
}

fn list(instances: &[Instance], as_json: bool) -> Result<(), CliError> {
    if as_json {
        let all: Vec<_> = instances.iter().map(instance_as_json).collect();
        return Ok(print_json(&all)?);
    }
    let mut table = Columns::new([
        ("ID", Left),
        ("PROGRESS", Left),
        ("POSITION", Right),
        ("COMMANDS", Right),
        ("NEXT DEADLINE", Left),
        ("STATE", Left),
    ]);
    for (id, instance) in instances {
        let next = instance.deadlines.iter().filter_map(|it| it.due).min();
        table.row([
            id.clone(),
            progress(instance),
            instance.position.to_string(),
            instance.commands.len().to_string(),
            next.map(time).unwrap_or_default(),
            instance.state.to_string(),
        ]);
    }
    Ok(print_line(table.fitted())?)
}

fn instance_as_json((id, instance): &Instance) -> Value {
    let effects = |all: &[PendingEffect]| all.iter().map(effect_as_json).collect::<Vec<_>>();
    json!({
        "id": id,
        "state": instance.state,
        "started": instance.started.get(),
        "position": instance.position.get(),
        "ended": instance.ended.map(|(position, _)| position.get()),
        "late": instance.late,
        "commands": effects(&instance.commands),
        "deadlines": effects(&instance.deadlines),
    })
}

fn effect_as_json(effect: &PendingEffect) -> Value {
    json!({
        "name": effect.name,
        "json": effect.json,
        "id": effect.id.to_string(),
        "cause": effect.cause.get(),
        "due": effect.due.map(|it| it.to_string()),
    })
}

fn progress(instance: &Process<Value>) -> String {
    match instance.ended {
        Some((position, at)) => format!("ended at position {position}, {}", time(at)),
        None => "running".to_owned(),
    }
}

fn summary(instance: Option<&Process<Value>>, late: u64) -> String {
    let mut lines = Vec::new();
    if let Some(instance) = instance {
        lines.push(format!(
            "{}; began at position {}, handled up to {}",
            progress(instance),
            instance.started,
            instance.position
        ));
        let state = escape_controls(&instance.state.to_string());
        lines.push(format!("state: {state}"));
    } else {
        lines.push("has not begun, or was deleted some time after its end".to_owned());
    }
    if late > 0 {
        lines.push(format!("late events, which nothing has handled: {late}"));
    }
    lines.join("\n")
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
            effect.json.to_string(),
        ]);
    }
    print_line(format_args!("\n{HEADING}{title}{HEADING:#}"))?;
    print_line(table.lines().join("\n"))?;
    Ok(())
}
