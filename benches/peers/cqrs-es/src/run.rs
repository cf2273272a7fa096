//! What to run, as the benchmarks say on the command line.

use std::env;
use std::error::Error;

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

pub struct Run {
    pub commands: u32,
    pub aggregates: u32,
    pub callers: u32,
    pub connections: u32,
    pub rounds: u32,
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
