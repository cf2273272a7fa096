//! The parameters of a run, which the benchmarks set in the environment.

use std::env;

use crate::Result;

pub struct Run {
    pub commands: u32,
    pub aggregates: u32,
    pub callers: u32,
    pub connections: u32,
    pub rounds: u32,
    /// Duration of the workload on a single aggregate.
    pub millis: u32,
    /// Number of events of a loaded aggregate.
    pub events: u32,
    /// Number of an aggregate's events between two stored states. 0 for none.
    pub snapshots: u32,
    /// Settings of the database file.
    pub pragmas: [(&'static str, String); 2],
}

impl Run {
    pub fn from_env() -> Result<Self> {
        let number = |name: &str, default: u32| match env::var(name) {
            Ok(value) => value.parse().map_err(|error| format!("{name}: {error}")),
            Err(_) => Ok(default),
        };
        let text =
            |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
        Ok(Self {
            commands: number("COMMANDS", 20_000)?,
            aggregates: number("AGGREGATES", 1_000)?,
            callers: number("CALLERS", 1)?,
            connections: number("CONNECTIONS", 10)?,
            rounds: number("ROUNDS", 1)?,
            millis: number("MILLIS", 2_000)?,
            events: number("EVENTS", 10_000)?,
            snapshots: number("SNAPSHOTS", 0)?,
            pragmas: [
                ("wal_autocheckpoint", text("CHECKPOINT", "1000")),
                ("cache_size", text("CACHE", "-2000")),
            ],
        })
    }

    /// The aggregates of a caller's commands. Callers share none, so that they do not conflict.
    pub fn ids_of(&self, caller: u32) -> Vec<String> {
        let aggregates = (0..self.commands).map(|number| number % self.aggregates);
        let mine = aggregates.filter(|aggregate| aggregate % self.callers == caller);
        mine.map(|aggregate| format!("account-{aggregate:04}"))
            .collect()
    }
}
