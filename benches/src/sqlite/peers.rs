use crate::load::Load;
use crate::measured::Measured;
use crate::peer::Peer;
use crate::{Result, cargo};

/// Settings of the file besides WAL and synchronous=FULL, the same as in cqrs-sqlite: the number of
/// pages after which the log is checkpointed, and the page cache in (negative) KiB.
pub const CHECKPOINT: i64 = 4096;
pub const CACHE: i64 = -16_384;

pub fn all() -> Result<[Peer; 2]> {
    Ok([Peer::cqrs_es()?, Peer::evento()?])
}

pub fn label(peer: &Peer) -> String {
    match peer.name {
        "cqrs-es 0.5" => "cqrs-es 0.5 with sqlite-es 0.5".to_owned(),
        other => other.to_owned(),
    }
}

/// One peer on a pool of several connections, and on a pool of one.
#[derive(Default)]
pub struct Pools {
    ten: Measured,
    one: Measured,
}

impl Pools {
    /// One run on each pool. Returns the version of SQLite, too.
    pub fn push(&mut self, peer: &Peer, load: Load) -> Result<String> {
        let mut version = String::new();
        for (connections, measured) in [(10, &mut self.ten), (1, &mut self.one)] {
            let folder = cargo::scratch()?;
            let call = peer.call("sqlite").on(folder.path().join("peer.db"));
            let call = call.load(load).set("CONNECTIONS", connections);
            let call = call.set("CHECKPOINT", CHECKPOINT).set("CACHE", CACHE);
            let answer = call.answer()?;
            measured.push(answer.outcome()?);
            version = answer.text("sqlite");
        }
        Ok(version)
    }

    pub fn best(self) -> (&'static str, Measured) {
        Measured::best([("a pool of 10", self.ten), ("a pool of 1", self.one)])
    }
}
