use clap::{Args, Subcommand};
use cqrs_core::app::{Role, Subscriptions};
use cqrs_core::store::{ParkedKey, ProjectionVersion, SkippedEvent};
use cqrs_core::{Dispatcher, Position};
use serde_json::{Value, json};

use crate::call::Call;
use crate::columns::Column::{Left, Right, Text};
use crate::columns::Columns;
use crate::error::CliError;
use crate::open::OpenMode;
use crate::out::{GOOD, print_json, print_line, time};
use crate::shutdown::run_until_signal;

/// Verbs that change projections and reactions, or look at them. The changes are stored, and apply to all processes.
#[derive(Debug, Subcommand)]
pub(crate) enum Operation {
    /// Lists the stored versions of a projection
    Versions(Projection),
    /// Makes this program's version of a projection the live one
    Switch(Projection),
    /// Keeps this program's version of a projection from becoming live by itself
    Hold(Projection),
    /// Compares the views of this program's version of a projection with those of another one
    Compare(Projection),
    /// Removes a version of a projection, with its read models
    Drop(DropArgs),
    /// Pauses a projection or reaction in all processes
    Pause(Pause),
    /// Ends a pause
    Resume(Subscription),
    /// Has the event that failed retried now
    Retry(Subscription),
    /// Leaves an event out that fails
    Skip(Skip),
    /// Lists the events that were skipped
    Skipped(Subscription),
    /// Handles all events after a position again
    Rewind(Rewind),
    /// Divides a projection or reaction into shards, or puts them together
    Divide(Divide),
    /// Lists ids whose events wait since one of them failed
    Parked(Parked),
    /// Has the events of a parked id handled
    Release(Release),
}

#[derive(Debug, Args)]
pub(crate) struct Projection {
    /// The projection's name, as `status` lists it
    projection: String,
}

#[derive(Debug, Args)]
pub(crate) struct Subscription {
    /// The name of the projection or reaction, as `status` lists it
    name: String,
}

#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    #[command(flatten)]
    projection: Projection,
    /// The version, as `versions` lists it
    version: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    subscription: Subscription,
    /// The reason, which `status` shows
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Skip {
    #[command(flatten)]
    subscription: Subscription,
    /// The position of the event that failed, as `status` shows it
    position: u64,
    /// The reason, which `skipped` shows
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Rewind {
    #[command(flatten)]
    subscription: Subscription,
    /// The position after which events are handled again; 0 for all
    position: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Divide {
    #[command(flatten)]
    subscription: Subscription,
    /// The number of shards
    shards: u16,
}

#[derive(Debug, Args)]
pub(crate) struct Parked {
    /// Only those of this projection or reaction
    name: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["id", "all"])))]
pub(crate) struct Release {
    #[command(flatten)]
    subscription: Subscription,
    /// The id, as `parked` lists it
    id: Option<String>,
    /// All ids
    #[arg(long)]
    all: bool,
}

/// Runs a verb on the store of a program.
pub(crate) async fn run(call: &Call, operation: Operation) -> Result<(), CliError> {
    let roles: &[Role] = match operation {
        // They wait until the program's version has reached the head, which nobody else may bring there.
        Operation::Switch(_) | Operation::Compare(_) => &[Role::Queries, Role::Projections],
        // Everything else is stored, for the processes that handle events.
        _ => &[Role::Queries],
    };
    let dispatcher = call.build(OpenMode::MustExist, roles).await?;
    let ended = Box::pin(perform(&dispatcher, operation, call.is_json));
    run_until_signal(&dispatcher, ended).await
}

async fn perform(
    dispatcher: &Dispatcher,
    operation: Operation,
    as_json: bool,
) -> Result<(), CliError> {
    let all = dispatcher.subscriptions();
    let done = match operation {
        Operation::Versions(Projection { projection }) => {
            return show_versions(&all.versions(&projection).await?, as_json);
        }
        Operation::Compare(Projection { projection }) => {
            return compare(&all, &projection, as_json).await;
        }
        Operation::Skipped(Subscription { name }) => {
            return show_skipped(&all.skipped(&name).await?, as_json);
        }
        Operation::Parked(Parked { name }) => {
            return show_parked(&parked(&all, name).await?, as_json);
        }
        Operation::Switch(Projection { projection }) => {
            all.switch(&projection).await?;
            format!("projection `{projection}` answers from this program's version")
        }
        Operation::Hold(Projection { projection }) => {
            all.hold(&projection).await?;
            format!("this program's version of projection `{projection}` waits for `switch`")
        }
        Operation::Drop(DropArgs {
            projection: Projection { projection },
            version,
        }) => {
            all.drop(&projection, version).await?;
            format!("version {version} of projection `{projection}` is removed")
        }
        Operation::Pause(Pause {
            subscription: Subscription { name },
            reason,
        }) => {
            all.pause(&name, reason).await?;
            format!("`{name}` is paused")
        }
        Operation::Resume(Subscription { name }) => {
            all.resume(&name).await?;
            format!("`{name}` goes on")
        }
        Operation::Retry(Subscription { name }) => {
            all.retry(&name).await?;
            format!("`{name}` retries its next event")
        }
        Operation::Skip(Skip {
            subscription: Subscription { name },
            position,
            reason,
        }) => {
            all.skip(&name, Position::new(position), reason).await?;
            format!("`{name}` leaves out the event at position {position}")
        }
        Operation::Rewind(Rewind {
            subscription: Subscription { name },
            position,
        }) => {
            all.rewind(&name, Position::new(position)).await?;
            format!("`{name}` handles the events after position {position} again")
        }
        Operation::Divide(Divide {
            subscription: Subscription { name },
            shards,
        }) => {
            all.divide(&name, shards).await?;
            format!("`{name}` has {shards} shards")
        }
        Operation::Release(Release {
            subscription: Subscription { name },
            id: Some(id),
            ..
        }) => {
            all.release(&name, &id).await?;
            format!("`{name}` handles the events of {id}")
        }
        Operation::Release(Release { subscription, .. }) => {
            let Subscription { name } = subscription;
            let count = all.release_all(&name).await?;
            format!("`{name}` handles the events of {count} ids")
        }
    };
    if as_json {
        print_json(&json!({"ok": true}))?;
    } else {
        print_line(format_args!("{GOOD}done{GOOD:#}: {done}"))?;
    }
    Ok(())
}

fn show_versions(versions: &[ProjectionVersion], as_json: bool) -> Result<(), CliError> {
    if as_json {
        let versions = versions.iter().map(|it| {
            json!({
                "version": it.version,
                "live": it.is_live,
                "was_live": it.was_live,
                "held": it.is_held,
                "began": it.began.to_string(),
            })
        });
        return Ok(print_json(&versions.collect::<Vec<_>>())?);
    }
    let mut table = Columns::new([("VERSION", Right), ("STATE", Left), ("BEGAN", Left)]);
    for version in versions {
        let state = match version {
            it if it.is_live => "live",
            it if it.is_held => "held",
            it if it.was_live => "was live",
            _ => "being built",
        };
        table.row([
            version.version.to_string(),
            state.to_owned(),
            time(version.began),
        ]);
    }
    Ok(print_line(table.fitted())?)
}

/// Prints the differences. Exits with 1 if there are some.
async fn compare(all: &Subscriptions<'_>, name: &str, as_json: bool) -> Result<(), CliError> {
    let found = all.compare(name).await?;
    if as_json {
        print_json(&json!({
            "version": found.version,
            "with": found.with,
            "position": found.position.get(),
            "equal": found.equal,
            "different": found.different,
            "undecided": found.undecided,
            "keys": found.keys,
        }))?;
    } else {
        print_line(format_args!(
            "version {} and {} at position {}: {} views are equal, {} different, {} undecided",
            found.version,
            found.with,
            found.position,
            found.equal,
            found.different,
            found.undecided
        ))?;
        for (model, key) in &found.keys {
            let line = crate::out::escape_controls(&format!("  {model} {key}"));
            print_line(line)?;
        }
    }
    match found.different + found.undecided {
        0 => Ok(()),
        _ => Err(CliError::Silent(1)),
    }
}

fn show_skipped(skipped: &[SkippedEvent], as_json: bool) -> Result<(), CliError> {
    if as_json {
        let skipped = skipped.iter().map(|it| {
            json!({
                "position": it.position.get(),
                "id": it.key,
                "reason": it.reason,
                "time": it.time.to_string(),
            })
        });
        return Ok(print_json(&skipped.collect::<Vec<_>>())?);
    }
    let mut table = Columns::new([
        ("POSITION", Right),
        ("ID", Left),
        ("TIME", Left),
        ("REASON", Text),
    ]);
    for event in skipped {
        table.row([
            event.position.to_string(),
            event.key.clone().unwrap_or_default(),
            time(event.time),
            event.reason.clone(),
        ]);
    }
    Ok(print_line(table.fitted())?)
}

/// The parked ids of a subscription, or of all.
async fn parked(
    all: &Subscriptions<'_>,
    name: Option<String>,
) -> Result<Vec<(String, ParkedKey)>, CliError> {
    let names = if let Some(name) = name {
        vec![name]
    } else {
        let list = all.list().await?;
        let names = list.iter().map(|status| status.health.name.to_owned());
        names.collect()
    };
    let mut found = Vec::new();
    for name in names {
        let parked = all.parked(&name).await?.into_iter();
        found.extend(parked.map(|key| (name.clone(), key)));
    }
    Ok(found)
}

fn show_parked(parked: &[(String, ParkedKey)], as_json: bool) -> Result<(), CliError> {
    if as_json {
        let parked = parked.iter().map(|(name, key)| parked_as_json(name, key));
        return Ok(print_json(&parked.collect::<Vec<_>>())?);
    }
    let mut table = Columns::new([
        ("NAME", Left),
        ("ID", Left),
        ("POSITION", Right),
        ("SINCE", Left),
        ("STATE", Left),
        ("CAUSE", Text),
    ]);
    for (name, key) in parked {
        table.row([
            name.clone(),
            key.key.clone(),
            key.first.to_string(),
            time(key.since),
            (if key.is_released {
                "released"
            } else {
                "parked"
            })
            .to_owned(),
            key.cause.clone(),
        ]);
    }
    Ok(print_line(table.fitted())?)
}

fn parked_as_json(name: &str, key: &ParkedKey) -> Value {
    json!({
        "name": name,
        "partition": key.partition,
        "id": key.key,
        "position": key.first.get(),
        "since": key.since.to_string(),
        "released": key.is_released,
        "cause": key.cause,
    })
}
