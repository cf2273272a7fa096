//! What to run, as the benchmarks say in the environment.

use std::env;

use crate::Result;

pub struct Run {
    pub commands: u32,
    pub aggregates: u32,
    pub callers: u32,
    pub connections: u32,
    pub rounds: u32,
    /// How long callers go on at the same aggregate.
    pub millis: u32,
    /// How many events an aggregate has that is loaded.
    pub events: u32,
    /// After how many events of an aggregate its state is stored; 0 for never.
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

    /// The aggregates that a caller sends its commands to: callers share none, so that nobody
    /// waits for a conflict of his own making.
    pub fn ids_of(&self, caller: u32) -> Vec<String> {
        let aggregates = (0..self.commands).map(|number| number % self.aggregates);
        let mine = aggregates.filter(|aggregate| aggregate % self.callers == caller);
        mine.map(|aggregate| format!("account-{aggregate:04}"))
            .collect()
    }
}
