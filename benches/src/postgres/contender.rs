use crate::Result;
use crate::load::{Load, Outcome};
use crate::peer::{Call, Peer};
use crate::postgres::database::Database;

/// A peer with its settings.
pub struct Contender {
    pub peer: Peer,
    /// The peer's crate for PostgreSQL.
    adapter: &'static str,
    /// Number of commands in a run of a few seconds: with one caller, and with several.
    commands: [u32; 2],
    /// The workload and settings with most successes for all callers on one aggregate.
    pub hot: Hot,
    /// Number of events between two stored states, if the workload has them. 0 if the peer has
    /// none.
    pub snapshots: u32,
}

/// The best settings of a peer for all callers on one aggregate.
pub struct Hot {
    pub workload: &'static str,
    pub connections: u32,
    pub snapshots: u32,
    pub how: &'static str,
}

/// All peers, used as documented.
pub fn all() -> Result<[Contender; 4]> {
    Ok([
        Contender {
            peer: Peer::cqrs_es()?,
            adapter: " with postgres-es 0.5",
            commands: [3_000, 10_000],
            hot: Hot {
                workload: "hot",
                connections: 64,
                snapshots: 100,
                how: "a snapshot every 100 events",
            },
            snapshots: 100,
        },
        Contender {
            peer: Peer::disintegrate()?,
            adapter: "",
            commands: [1_500, 1_000],
            hot: Hot {
                workload: "hot",
                connections: 10,
                snapshots: 0,
                how: "a pool of 10",
            },
            snapshots: 100,
        },
        Contender {
            peer: Peer::esrs()?,
            adapter: "",
            commands: [3_000, 10_000],
            hot: Hot {
                workload: "hot-locks",
                // A caller that has the lock needs a second one.
                connections: 80,
                snapshots: 0,
                how: "its advisory lock",
            },
            snapshots: 0,
        },
        Contender {
            peer: Peer::evento()?,
            adapter: "",
            commands: [1_500, 5_000],
            hot: Hot {
                workload: "hot",
                connections: 64,
                snapshots: 0,
                how: "its snapshots",
            },
            snapshots: 1,
        },
    ])
}

impl Contender {
    pub fn label(&self) -> String {
        format!("{}{}", self.peer.name, self.adapter)
    }

    /// The load, with the number of commands that this peer carries out in a few seconds.
    fn share(&self, load: Load) -> Load {
        load.at_most(self.commands[usize::from(load.callers > 1)])
    }

    /// The faster pool: one with 10 connections, as is usual, or with one for each caller.
    pub fn pool(&self, load: Load, database: &Database) -> Result<u32> {
        let each = load.callers.min(64);
        let short = load.at_most(self.share(load).commands / 4);
        let rate = |connections: u32| -> Result<f64> {
            let call = self.call("postgres", database)?.load(short);
            Ok(call.set("CONNECTIONS", connections).outcome()?.per_second)
        };
        Ok(match load.callers {
            1 => 10,
            _ if rate(10)? > rate(each)? => 10,
            _ => each,
        })
    }

    /// One run with callers that share no aggregates.
    pub fn spread(&self, load: Load, connections: u32, database: &Database) -> Result<Outcome> {
        let call = self.call("postgres", database)?.load(self.share(load));
        call.set("CONNECTIONS", connections).outcome()
    }

    /// One run on fresh tables.
    pub fn call(&self, workload: &str, database: &Database) -> Result<Call> {
        Ok(self.peer.call(workload).on(database.fresh()?))
    }
}
