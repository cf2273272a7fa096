use cqrs_postgres::{ClusterHealth, ServerHealth, ServerRole};
use serde_json::{Value, json};

use crate::columns::Column::{Left, Right, Text};
use crate::columns::{Columns, lag};
use crate::out::escape_controls;

/// The servers as JSON, with what somebody has to look at.
pub(crate) fn as_json(health: &ClusterHealth) -> Value {
    let all = [(&health.log, "log"), (&health.queries, "queries")];
    let servers = all
        .into_iter()
        .filter_map(|(server, purpose)| Some(server_as_json(server.as_ref()?, purpose)));
    json!({"servers": servers.collect::<Vec<_>>(), "reasons": health.reasons()})
}

fn server_as_json(server: &ServerHealth, purpose: &str) -> Value {
    let standbys = server.standbys.iter().map(|standby| {
        json!({
            "name": standby.name,
            "host": standby.host,
            "state": standby.state,
            "synchronous": standby.synchronous,
            "lag_seconds": standby.lag.map(|it| it.as_secs_f64()),
        })
    });
    json!({
        "host": server.host,
        "for": purpose,
        "role": role(server),
        "timeline": server.timeline,
        "position": server.position.get(),
        "lag_seconds": server.lag.map(|it| it.as_secs_f64()),
        "is_receiving": server.is_receiving,
        "standbys": standbys.collect::<Vec<_>>(),
    })
}

fn role(server: &ServerHealth) -> &'static str {
    match server.role {
        ServerRole::Leader => "leader",
        ServerRole::Standby => "standby",
    }
}

/// The servers of the log and of queries, each with the standbys that follow it, and what somebody has to look at.
pub(crate) fn table(health: &ClusterHealth) -> String {
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
        let is_cut_off = server.is_receiving == Some(false);
        table.row([
            server.host.clone(),
            purpose.to_owned(),
            role(server).to_owned(),
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
