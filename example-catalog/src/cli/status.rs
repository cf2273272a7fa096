use std::io::IsTerminal;
use std::time::Duration;

use console::Term;
use cqrs_core::Dispatcher;
use cqrs_core::app::{SubscriptionHealth, SubscriptionState, SubscriptionStatus};
use cqrs_postgres::{ClusterHealth, Postgres, ServerRole};
use tokio::time::sleep;

use super::columns::Column::{Left, Right, Text};
use super::columns::Columns;
use super::out::{escape_controls, print_line};
use super::signal::Signal;
use super::{CliError, args};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Prints the projections and reactions, and the servers of a PostgreSQL database. In a terminal, the tables are
/// refreshed until the program is told to stop.
pub async fn run(
    dispatcher: &Dispatcher,
    store: Option<&Postgres>,
    status: &args::StatusArgs,
) -> Result<(), CliError> {
    let term = Term::stdout();
    let refreshes = !status.once && std::io::stdout().is_terminal();
    loop {
        let mut table = table(&dispatcher.subscriptions().list().await?);
        if let Some(store) = store {
            table.push_str("\n\n");
            table.push_str(&servers(&store.cluster_health().await));
        }
        print_line(&table)?;
        if !refreshes {
            return Ok(());
        }
        tokio::select! {
            () = sleep(INTERVAL) => {}
            signal = Signal::received() => return Ok(signal.map(drop)?),
        }
        term.clear_last_lines(table.lines().count())?;
    }
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
            state(&health.state).to_owned(),
            health.position.to_string(),
            status.behind.to_string(),
            lag(status.lag),
            reasons(health),
        ]);
    }
    table.fitted()
}

/// The servers of the log and of queries, each with the standbys that follow it, and what somebody has to look at.
fn servers(health: &ClusterHealth) -> String {
    let mut table = Columns::new([
        ("SERVER", Left),
        ("FOR", Left),
        ("ROLE", Left),
        ("TIMELINE", Right),
        ("POSITION", Right),
        ("LAG", Right),
        ("STATE", Text),
    ]);
    for (server, purpose) in [(&health.log, "log"), (&health.queries, "queries")] {
        let Some(server) = server else {
            continue;
        };
        let role = match server.role {
            ServerRole::Leader => "leader",
            ServerRole::Standby => "standby",
        };
        let is_cut_off = server.is_receiving == Some(false);
        table.row([
            server.host.clone(),
            purpose.to_owned(),
            role.to_owned(),
            server
                .timeline
                .as_ref()
                .map_or_else(unknown, u32::to_string),
            server.position.to_string(),
            lag(server.lag.unwrap_or_default()),
            (if is_cut_off { "receives nothing" } else { "" }).to_owned(),
        ]);
        for standby in &server.standbys {
            let host = standby.host.iter().map(|host| format!(" ({host})"));
            let seen = [&standby.state, &standby.synchronous];
            let states: Vec<_> = seen.into_iter().flatten().map(String::as_str).collect();
            table.row([
                host.fold(standby.name.clone(), |name, host| name + &host),
                String::new(),
                "standby".to_owned(),
                String::new(),
                String::new(),
                lag(standby.lag.unwrap_or_default()),
                states.join(", "),
            ]);
        }
    }
    let reasons = health.reasons().iter();
    reasons.fold(table.fitted(), |all, reason| {
        format!("{all}\n{}", escape_controls(reason))
    })
}

fn unknown() -> String {
    "-".to_owned()
}

fn state(state: &SubscriptionState) -> &'static str {
    match state {
        SubscriptionState::CatchingUp => "catching up",
        SubscriptionState::Running => "running",
        SubscriptionState::Standby => "standby",
        SubscriptionState::Outdated { .. } => "outdated",
        SubscriptionState::Rebuilding { .. } => "rebuilding",
        SubscriptionState::Unattended => "unattended",
        SubscriptionState::Parked { .. } => "parked",
        SubscriptionState::Stuck { .. } => "stuck",
        SubscriptionState::Paused { .. } => "paused",
        SubscriptionState::Failing { .. } => "failing",
        SubscriptionState::Stopped { .. } => "stopped",
        SubscriptionState::Ended { .. } => "ended",
    }
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

/// The age of the oldest event that is not handled, to a tenth of a second.
fn lag(lag: Duration) -> String {
    if lag.is_zero() {
        return "-".to_owned();
    }
    format!("{:.1} s", lag.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_short() {
        assert_eq!(lag(Duration::ZERO), "-");
        assert_eq!(lag(Duration::from_millis(1_250)), "1.2 s");
    }

    #[test]
    fn only_what_needs_attention_has_a_reason() {
        let parked = SubscriptionState::Parked { keys: 3 };
        assert_eq!(
            (state(&parked), reason(&parked)),
            ("parked", "3 ids are parked: release them".to_owned())
        );
        assert_eq!(reason(&SubscriptionState::Standby), "");
        let paused = SubscriptionState::Paused {
            reason: "maintenance".to_owned(),
            since: cqrs_core::Timestamp::UNIX_EPOCH,
        };
        assert_eq!(
            (state(&paused), reason(&paused)),
            ("paused", "it is paused: maintenance".to_owned())
        );
    }
}
