//! What the servers behind an address say of themselves and of each other.

use std::time::Duration;

use cqrs_core::Position;

/// Time for which commits may wait for a standby without a word: any that is busy takes some.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// What the servers of a store say of themselves. Returned by [`Postgres::cluster_health`](crate::Postgres::cluster_health).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterHealth {
    /// The server that the log is written to. `None` if there is none now, with the reason in
    /// [`reasons`](Self::reasons).
    pub log: Option<ServerHealth>,
    /// The server that answers queries, as a new connection finds it. `None` without a
    /// [`read_url`](crate::Options::read_url), and if there is none now.
    pub queries: Option<ServerHealth>,
    pub(crate) reasons: Vec<String>,
}

/// A server, as it sees itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerHealth {
    /// Its name in the address, with the port.
    pub host: String,
    /// What it is now.
    pub role: ServerRole,
    /// The timeline: each promotion begins the next one. `None` if the server does not say.
    pub timeline: Option<u32>,
    /// The head of the log there.
    pub position: Position,
    /// How old the data of a standby is, at the most: the time since the last transaction that it has replayed,
    /// or zero if it has all that it has received. `None` if it has replayed none, and of a leader.
    pub lag: Option<Duration>,
    /// Whether a standby receives from a leader. `None` of a leader.
    pub is_receiving: Option<bool>,
    /// The standbys that follow it.
    pub standbys: Vec<StandbyHealth>,
    /// The server's `synchronous_standby_names`: the standbys that commits wait for. Empty if for none.
    pub synchronous_standby_names: String,
    /// The number of sessions whose commit waits for a standby, as far as the role may see them.
    pub waiting_sessions: u64,
    /// The longest time that one of them has waited.
    pub longest_wait: Duration,
}

/// What a server is in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerRole {
    /// The one that takes writes.
    Leader,
    /// One that follows it.
    Standby,
}

/// A standby, as the server that it follows sees it. What the role may not see is `None`: the server shows it
/// to members of `pg_monitor`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StandbyHealth {
    /// The name that it gives itself, `application_name`. Patroni's is that of the member.
    pub name: String,
    /// Its address.
    pub host: Option<String>,
    /// Such as `streaming` or `catchup`.
    pub state: Option<String>,
    /// `sync` or `quorum` if commits wait for it, `potential` if it is next in line, else `async`.
    pub synchronous: Option<String>,
    /// The part of the write-ahead log that it has not replayed yet.
    pub bytes_behind: Option<u64>,
    /// How long it took to replay the last commits. The server does not say while nothing is written.
    pub lag: Option<Duration>,
}

impl ClusterHealth {
    /// Whether nothing speaks against it.
    pub fn is_ok(&self) -> bool {
        self.reasons.is_empty()
    }

    /// What somebody has to look at: there is no server that takes writes, appends wait for a standby that is gone,
    /// or queries are answered by a standby that receives nothing. Empty if it is ok.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl ServerHealth {
    /// Why appends wait for a standby, if they do, or would.
    pub(crate) fn why_appends_wait(&self) -> Option<String> {
        let names = &self.synchronous_standby_names;
        if names.is_empty() {
            return None;
        }
        // Of standbys that the role may not see, only commits that wait tell.
        let is_gone = self
            .standbys
            .iter()
            .all(StandbyHealth::is_seen_not_waited_for);
        let is_slow = self.waiting_sessions > 0 && self.longest_wait >= SHORT_WAIT;
        if !is_gone && !is_slow {
            return None;
        }
        let cause = if is_gone {
            "and none of these is connected"
        } else {
            "and not enough of these answer"
        };
        let standbys: Vec<_> = self.standbys.iter().map(StandbyHealth::in_short).collect();
        let connected = match standbys.join(", ") {
            none if none.is_empty() => "no standby is connected".to_owned(),
            some => format!("connected: {some}"),
        };
        let waiting = match self.waiting_sessions {
            0 => String::new(),
            sessions => {
                let seconds = self.longest_wait.as_secs_f64();
                format!("; {sessions} commits wait, for up to {seconds:.1} s")
            }
        };
        Some(format!(
            "appends wait for a synchronous standby: `synchronous_standby_names` of {} is `{names}`, {cause} \
             ({connected}){waiting}: start the standby, or take it out of the setting",
            self.host
        ))
    }

    /// Why the answers to queries get old, if they do.
    pub(crate) fn why_queries_are_behind(&self, head: Option<Position>) -> Option<String> {
        if self.is_receiving != Some(false) {
            return None;
        }
        let behind = match head.map(|head| head.since(self.position)) {
            None => String::new(),
            Some(1) => " It is 1 event behind.".to_owned(),
            Some(events) => format!(" It is {events} events behind."),
        };
        Some(format!(
            "the standby {} answers queries, and receives nothing from a leader.{behind}",
            self.host
        ))
    }
}

impl StandbyHealth {
    fn is_seen_not_waited_for(&self) -> bool {
        let synchronous = self.synchronous.as_deref();
        synchronous.is_some_and(|it| !matches!(it, "sync" | "quorum"))
    }

    fn in_short(&self) -> String {
        match (&self.state, &self.synchronous) {
            (Some(state), Some(synchronous)) => format!("{} ({state}, {synchronous})", self.name),
            _ => self.name.clone(),
        }
    }
}
