use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use cqrs_postgres::{ClusterHealth, ServerHealth, ServerRole, StandbyHealth};
use metrics::gauge;

use crate::describe::describe_cluster;
use crate::figures::{figure, truth};

/// Gauges of a PostgreSQL cluster: which server takes the log and answers queries, and how far its standbys are behind.
///
/// A server that has been seen, and is not any more, has a gauge of 0 from then on. So one value of this is kept for as
/// long as the process runs.
#[derive(Debug)]
pub struct ClusterMetrics {
    seen: Mutex<Seen>,
}

/// The labels that there are gauges for.
#[derive(Debug, Default)]
struct Seen {
    servers: BTreeSet<[String; 3]>,
    standbys: BTreeSet<String>,
}

impl ClusterMetrics {
    /// Tells the exporter what each gauge is.
    #[expect(clippy::new_without_default, reason = "it has an effect")]
    pub fn new() -> Self {
        describe_cluster();
        Self {
            seen: Mutex::default(),
        }
    }

    /// Sets the gauges to what the servers have said. To be called with
    /// [`cluster_health`](cqrs_postgres::Postgres::cluster_health) before each scrape, or at an interval.
    pub fn observe(&self, health: &ClusterHealth) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        gauge!("cqrs_cluster_ok").set(truth(health.is_ok()));
        let servers = [("log", &health.log), ("queries", &health.queries)];
        let found = servers
            .into_iter()
            .filter_map(|(of, server)| Some((of, server.as_ref()?)));
        let mut present = BTreeSet::new();
        for (of, server) in found {
            observe_server(of, server);
            let role = match server.role {
                ServerRole::Leader => "leader",
                ServerRole::Standby => "standby",
            };
            present.insert([of, &server.host, role].map(str::to_owned));
        }
        seen.servers.extend(present.iter().cloned());
        for server in &seen.servers {
            let [of, host, role] = server.clone();
            gauge!("cqrs_cluster_server", "of" => of, "host" => host, "role" => role)
                .set(truth(present.contains(server)));
        }

        let leader = health.log.as_ref();
        let standbys = leader.map_or(&[][..], |leader| &leader.standbys);
        let names = standbys.iter().map(|standby| standby.name.clone());
        seen.standbys.extend(names);
        for name in &seen.standbys {
            let standby = standbys.iter().find(|standby| standby.name == *name);
            observe_standby(name, standby);
        }
    }
}

fn observe_server(of: &'static str, server: &ServerHealth) {
    gauge!("cqrs_cluster_position", "of" => of).set(figure(server.position.get()));
    if let Some(timeline) = server.timeline {
        gauge!("cqrs_cluster_timeline", "of" => of).set(f64::from(timeline));
    }
    let lag = server.lag.unwrap_or_default();
    gauge!("cqrs_cluster_lag_seconds", "of" => of).set(lag);
    if server.role == ServerRole::Leader {
        gauge!("cqrs_cluster_waiting_commits").set(figure(server.waiting_sessions));
        gauge!("cqrs_cluster_longest_wait_seconds").set(server.longest_wait);
    }
}

/// `None` for one that is gone.
fn observe_standby(name: &str, standby: Option<&StandbyHealth>) {
    let of = [("standby", name.to_owned())];
    gauge!("cqrs_standby_connected", &of).set(truth(standby.is_some()));
    let is_synchronous = standby
        .and_then(|standby| standby.synchronous.as_deref())
        .is_some_and(|it| matches!(it, "sync" | "quorum"));
    gauge!("cqrs_standby_synchronous", &of).set(truth(is_synchronous));
    let Some(standby) = standby else {
        return;
    };
    if let Some(bytes) = standby.bytes_behind {
        gauge!("cqrs_standby_bytes_behind", &of).set(figure(bytes));
    }
    gauge!("cqrs_standby_lag_seconds", &of).set(standby.lag.unwrap_or_default());
}
