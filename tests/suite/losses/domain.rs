//! Ships of several kinds of aggregates: with and without copies, with snapshots, with stored states.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "an `#[apply]` takes the id by reference"
)]

use std::fmt::Display;
use std::panic::resume_unwind;

use cqrs_core::prelude::*;
use tokio::task::yield_now;

cqrs_core::module!();

/// What a decision has seen of each aggregate.
pub type Seen = Vec<(String, Trail)>;

/// Marks of the events of an aggregate, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trail {
    pub events: u32,
    pub hash: u64,
}

impl Trail {
    pub fn add(&mut self, mark: u64) {
        self.events += 1;
        self.hash = (self.hash.rotate_left(7) ^ mark).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn fold(&mut self, event: &Sailed, key: &str, mark: u64) {
        if event.course == Course::Sink {
            panic_quietly();
        }
        for (seen, trail) in &event.seen {
            assert!(
                seen != key || trail == self,
                "{key} was {trail:?}, not {self:?}"
            );
        }
        self.add(mark);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Course {
    Sail,
    /// The handler refuses.
    Turn,
    /// The handler panics.
    Founder,
    /// No state folds the event.
    Sink,
}

/// The message of each panic.
pub const PANIC: &str = "of the test";

/// Panics without a message on the terminal.
fn panic_quietly() -> ! {
    resume_unwind(Box::new(PANIC))
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "sailed", version = 2)]
pub struct Sailed {
    #[id(Hull, each)]
    pub hulls: Vec<u8>,
    #[id(Keel, each)]
    pub keels: Vec<u8>,
    #[id(Mast, each)]
    pub masts: Vec<u8>,
    #[id(Flag, each)]
    pub flags: Vec<u8>,
    #[id(Hold, each)]
    pub holds: Vec<u8>,
    pub mark: u64,
    pub seen: Seen,
    pub course: Course,
}

#[derive(Serialize, Deserialize)]
pub struct SailedV1 {
    pub hull: u8,
    pub keel: u8,
    pub mast: u8,
    pub hold: u8,
    pub mark: u64,
}

#[upcast(event = "sailed", from = 1)]
fn sailed_v1(old: SailedV1) -> Sailed {
    Sailed {
        hulls: vec![old.hull],
        keels: vec![old.keel],
        masts: vec![old.mast],
        flags: Vec::new(),
        holds: vec![old.hold],
        mark: old.mark,
        seen: Vec::new(),
        course: Course::Sail,
    }
}

/// Its copy panics at times.
#[derive(Default)]
pub struct Hull(pub Trail);

impl Clone for Hull {
    fn clone(&self) -> Self {
        if fastrand::u8(..) < 8 {
            panic_quietly();
        }
        Self(self.0)
    }
}

#[derive(Default)]
pub struct Keel(pub Trail);

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Mast(pub Trail);

#[derive(Clone, Default)]
pub struct Flag(pub Trail);

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Hold(pub Trail);

#[aggregate(id = u8)]
impl Hull {
    #[apply]
    fn sailed(&mut self, event: &Sailed, id: &u8) {
        self.0.fold(event, &format!("hull:{id}"), event.mark);
    }
}

#[aggregate(id = u8)]
impl Keel {
    #[apply]
    fn sailed(&mut self, event: &Sailed, id: &u8) {
        self.0.fold(event, &format!("keel:{id}"), event.mark);
    }
}

#[aggregate(id = u8, snapshot_every = 3)]
impl Mast {
    #[apply]
    fn sailed(&mut self, event: &Sailed, id: &u8) {
        self.0.fold(event, &format!("mast:{id}"), event.mark);
    }
}

#[aggregate(id = u8)]
impl Flag {
    #[apply]
    fn sailed(&mut self, event: &Sailed, recorded: &Recorded, id: &u8) {
        let mark = event.mark ^ recorded.position.get();
        self.0.fold(event, &format!("flag:{id}"), mark);
    }
}

#[aggregate(id = u8, storage = "state")]
impl Hold {
    #[apply]
    fn sailed(&mut self, event: &Sailed, id: &u8) {
        self.0.fold(event, &format!("hold:{id}"), event.mark);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("turned after {0:?}")]
pub struct Turned(pub Seen);

#[derive(Command, Clone, Debug, Serialize, Deserialize)]
#[command(error = Turned)]
pub struct Sail {
    #[id(Hull, each)]
    pub hulls: Vec<u8>,
    #[id(Keel, each)]
    pub keels: Vec<u8>,
    #[id(Mast, each)]
    pub masts: Vec<u8>,
    #[id(Flag, each)]
    pub flags: Vec<u8>,
    #[id(Hold, each)]
    pub holds: Vec<u8>,
    /// One more, which its events concern.
    pub also: Option<u8>,
    pub course: Course,
    pub marks: Vec<u64>,
}

/// The same, by a handler that waits.
#[derive(Command, Clone, Debug, Serialize, Deserialize)]
#[command(error = Turned)]
pub struct Drift {
    #[id(Hull, each)]
    pub hulls: Vec<u8>,
    #[id(Keel, each)]
    pub keels: Vec<u8>,
    #[id(Mast, each)]
    pub masts: Vec<u8>,
    pub sail: Sail,
}

fn list<A, I: Display>(
    name: &str,
    aggregates: impl IntoIterator<Item = (I, A)>,
    trail: impl Fn(A) -> Trail,
) -> Seen {
    let aggregates = aggregates.into_iter();
    aggregates
        .map(|(id, state)| (format!("{name}:{id}"), trail(state)))
        .collect()
}

#[command_handler]
fn sail(
    cmd: Sail,
    hulls: Each<Hull>,
    keels: Each<Keel>,
    masts: Each<Mast>,
    flags: Each<Flag>,
    holds: Each<Hold>,
) -> Result<Vec<Sailed>, Turned> {
    let seen = [
        list("hull", &hulls, |it: &Hull| it.0),
        list("keel", &keels, |it: &Keel| it.0),
        list("mast", &masts, |it: &Mast| it.0),
        list("flag", &flags, |it: &Flag| it.0),
        list("hold", &holds, |it: &Hold| it.0),
    ];
    cmd.decide(seen.concat())
}

#[command_handler]
async fn drift(
    cmd: Drift,
    hulls: Each<'_, Hull>,
    keels: Each<'_, Keel>,
    masts: Each<'_, Mast>,
) -> Result<Vec<Sailed>, Turned> {
    yield_now().await;
    let seen = [
        list("hull", &hulls, |it: &Hull| it.0),
        list("keel", &keels, |it: &Keel| it.0),
        list("mast", &masts, |it: &Mast| it.0),
    ];
    yield_now().await;
    cmd.sail.decide(seen.concat())
}

impl Sail {
    fn decide(self, seen: Seen) -> Result<Vec<Sailed>, Turned> {
        match self.course {
            Course::Turn => return Err(Turned(seen)),
            Course::Founder => panic_quietly(),
            Course::Sail | Course::Sink => {}
        }
        let mut seen = Some(seen);
        let mut keels = self.keels;
        keels.extend(self.also);
        keels.sort_unstable();
        keels.dedup();
        let event = |mark| Sailed {
            hulls: self.hulls.clone(),
            keels: keels.clone(),
            masts: self.masts.clone(),
            flags: self.flags.clone(),
            holds: self.holds.clone(),
            mark,
            // Those of the next events were not there yet.
            seen: seen.take().unwrap_or_default(),
            course: self.course,
        };
        Ok(self.marks.into_iter().map(event).collect())
    }
}
