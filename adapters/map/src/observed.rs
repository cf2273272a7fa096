use std::collections::{BTreeMap, HashMap};

use cqrs_core::{CommandId, Recorded, Uuid};

/// How often commands were decided in a log, and because of what: [`FlowMap::observed`](crate::FlowMap::observed) shows
/// the figures on the edges of a map. It takes the events of a log in their order, of which it keeps the types and counts,
/// and about 40 bytes for each event, whose id may be the cause of later ones.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    decisions: BTreeMap<Decision, u64>,
    rejections: BTreeMap<Rejection, u64>,
    events: u64,
    /// What each event may cause, by its id.
    causes: HashMap<Uuid, usize>,
    kinds: Vec<Cause>,
    /// The decision whose events are being read.
    open: Option<(CommandId, Decision)>,
}

/// The events of one command, or that of a deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decision {
    pub cause: Cause,
    /// The types of the events, sorted, each once.
    pub events: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// The program has sent it.
    Program,
    /// An event of this type.
    Event(String),
    Rejection(Rejection),
    /// An event that is not among those that were read.
    Unknown,
}

/// That a process manager was told of a command that was rejected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rejection {
    pub process: String,
    pub command: String,
}

/// How the events of process managers begin, which are not those of a program.
const OF_PROCESS: &str = "process:";

impl Observed {
    /// Takes the next event of the log.
    pub fn add(&mut self, event: &Recorded) {
        self.events += 1;
        let name = event.data.event_type.as_str();
        let rejection = rejection(event);
        let effects_of = match &rejection {
            Some(rejection) => Cause::Rejection(rejection.clone()),
            // A command that was scheduled is one of the program.
            None if name.starts_with(OF_PROCESS) => Cause::Program,
            None => Cause::Event(name.to_owned()),
        };
        self.note(event.meta.id.as_uuid(), effects_of);
        if name.starts_with(OF_PROCESS) {
            if let Some(rejection) = rejection {
                *self.rejections.entry(rejection).or_default() += 1;
            }
            return;
        }
        let command = event.meta.command;
        match &mut self.open {
            Some((open, decision)) if *open == command => decision.add(name),
            _ => {
                self.close();
                let mut decision = Decision {
                    cause: self.cause(event),
                    events: Vec::new(),
                };
                decision.add(name);
                self.open = Some((command, decision));
            }
        }
    }

    /// Notes what an event may cause. Kinds of causes are few, events many.
    fn note(&mut self, event: Uuid, cause: Cause) {
        let known = self.kinds.iter().position(|kind| *kind == cause);
        let kind = known.unwrap_or_else(|| {
            self.kinds.push(cause);
            self.kinds.len() - 1
        });
        self.causes.insert(event, kind);
    }

    fn cause(&self, event: &Recorded) -> Cause {
        let cause = event.meta.causation;
        if cause == event.meta.command.as_uuid() {
            return Cause::Program;
        }
        let kind = self.causes.get(&cause);
        kind.map_or(Cause::Unknown, |&kind| self.kinds[kind].clone())
    }

    fn close(&mut self) {
        if let Some((_, decision)) = self.open.take() {
            *self.decisions.entry(decision).or_default() += 1;
        }
    }

    /// Every decision, and how often it was made.
    pub(crate) fn decisions(&self) -> impl Iterator<Item = (&Decision, u64)> {
        let closed = self
            .decisions
            .iter()
            .map(|(decision, count)| (decision, *count));
        closed.chain(self.open.iter().map(|(_, decision)| (decision, 1)))
    }

    pub(crate) fn rejections(&self) -> impl Iterator<Item = (&Rejection, u64)> {
        self.rejections
            .iter()
            .map(|(rejection, count)| (rejection, *count))
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }
}

impl Cause {
    pub fn words(&self) -> String {
        match self {
            Self::Program => "the program".to_owned(),
            Self::Event(name) => name.clone(),
            Self::Rejection(rejection) => format!("the rejection of {}", rejection.command),
            Self::Unknown => "an event that was not read".to_owned(),
        }
    }
}

impl Decision {
    fn add(&mut self, event: &str) {
        if let Err(place) = self.events.binary_search_by(|it| it.as_str().cmp(event)) {
            self.events.insert(place, event.to_owned());
        }
    }
}

/// What `process:checkout:rejected` says.
fn rejection(event: &Recorded) -> Option<Rejection> {
    let name = event.data.event_type.as_str().strip_prefix(OF_PROCESS)?;
    let process = name.strip_suffix(":rejected")?.to_owned();
    let command = event.data.json()["name"].as_str()?.to_owned();
    Some(Rejection { process, command })
}
