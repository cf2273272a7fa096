use std::io::IsTerminal;
use std::pin::pin;
use std::time::Duration;

use console::Term;
use cqrs_core::Dispatcher;
use cqrs_core::app::{SubscriptionHealth, SubscriptionState, SubscriptionStatus};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::args::StatusArgs;
use crate::columns::Column::{Left, Right, Text};
use crate::columns::{Columns, lag};
use crate::error::CliError;
use crate::open::Servers;
use crate::out::{print_json, print_json_line, print_line};
use crate::signal::Signal;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Prints the projections and reactions, and the servers of a PostgreSQL database. In a terminal, the tables are
/// refreshed until the program is told to stop.
pub(crate) async fn run(
    dispatcher: &Dispatcher,
    store: &Servers,
    status: &StatusArgs,
    as_json: bool,
) -> Result<(), CliError> {
    let term = Term::stdout();
    let refreshes = !status.once && std::io::stdout().is_terminal();
    // Once, so that a signal between two looks is not missed.
    let mut signaled = pin!(Signal::received());
    loop {
        let list = dispatcher.subscriptions().list().await?;
        if as_json {
            let shown = json!({
                "subscriptions": list.iter().map(as_value).collect::<Vec<_>>(),
                "servers": store.health_as_json().await,
            });
            if refreshes {
                print_json_line(&shown)?;
            } else {
                return Ok(print_json(&shown)?);
            }
        }
        let mut table = table(&list);
        if let Some(servers) = store.health().await {
            table.push_str("\n\n");
            table.push_str(&servers);
        }
        if !as_json {
            print_line(&table)?;
        }
        if !refreshes {
            return Ok(());
        }
        tokio::select! {
            () = sleep(INTERVAL) => {}
            signal = &mut signaled => return Ok(signal.map(drop)?),
        }
        if !as_json {
            term.clear_last_lines(table.lines().count())?;
        }
    }
}

/// A projection or reaction as JSON.
fn as_value(status: &SubscriptionStatus) -> Value {
    let health = &status.health;
    let shards = health.shards.iter().map(|shard| {
        json!({
            "position": shard.position.get(),
            "state": shard.state.name(),
            "reason": reason(&shard.state),
        })
    });
    json!({
        "name": health.name,
        "kind": health.kind.to_string(),
        "state": health.state.name(),
        "reason": reasons(health),
        "position": health.position.get(),
        "behind": status.behind,
        "lag_seconds": status.lag.as_secs_f64(),
        "shards": shards.collect::<Vec<_>>(),
    })
}

/// Projections and reactions, one per line.
fn table(all: &[SubscriptionStatus]) -> String {
    let mut table = Columns::new([
        ("NAME", Left),
        ("KIND", Left),
        ("STATE", Left),
        ("POSITION", Right),
        ("BEHIND", Right),
        ("LAG", Right),
        ("REASON", Text),
    ]);
    for status in all {
        let health = &status.health;
        table.row([
            health.name.to_owned(),
            health.kind.to_string(),
            health.state.name().to_owned(),
            health.position.to_string(),
            status.behind.to_string(),
            lag(status.lag),
            reasons(health),
        ]);
    }
    table.fitted()
}

/// The reason for the state, and for that of the version that answers queries in place of a new one.
fn reasons(health: &SubscriptionHealth) -> String {
    let own = reason(&health.state);
    let answering = health.answered_by.iter().filter_map(|version| {
        let reason = reason(&version.state);
        (!reason.is_empty()).then(|| format!("; version {} answers: {reason}", version.version))
    });
    answering.fold(own, |all, reason| all + &reason)
}

/// The reason for a state that somebody has to look at.
fn reason(state: &SubscriptionState) -> String {
    match state {
        SubscriptionState::CatchingUp | SubscriptionState::Running | SubscriptionState::Standby => {
            String::new()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_attention_has_a_reason() {
        let parked = SubscriptionState::Parked { keys: 3 };
        assert_eq!(
            (parked.name(), reason(&parked)),
            ("parked", "3 ids are parked: release them".to_owned())
        );
        assert_eq!(reason(&SubscriptionState::Standby), "");
        let paused = SubscriptionState::Paused {
            reason: "maintenance".to_owned(),
            since: cqrs_core::Timestamp::UNIX_EPOCH,
        };
        assert_eq!(
            (paused.name(), reason(&paused)),
            ("paused", "it is paused: maintenance".to_owned())
        );
    }
}
