//! The states after each event, folded from the log, and what they say about each command.

use std::collections::{HashMap, HashSet};

use cqrs_core::store::EventQuery;
use cqrs_core::{CommandId, Dispatcher, Position};

use super::domain::{Flag, Hold, Hull, Keel, Mast, Sailed, Seen, Trail};
use super::sent::{End, IDS, Sent};

pub struct Replay {
    /// By tag, the state after each event.
    trails: HashMap<String, Vec<(Position, Trail)>>,
    /// The marks of the events of each command.
    commands: HashMap<CommandId, Vec<u64>>,
}

impl Replay {
    /// Reads the log, and checks that no event is there twice, and what each decision has seen.
    pub async fn of(app: &Dispatcher) -> Self {
        let mut replay = Self {
            trails: HashMap::new(),
            commands: HashMap::new(),
        };
        let mut marks = HashSet::new();
        for event in app.events(EventQuery::All).all().await.expect("reads") {
            let position = event.position;
            let sailed: Sailed = event.decode().expect("an event");
            assert!(marks.insert(sailed.mark), "recorded twice");
            assert!(replay.was_so(&sailed.seen, position), "{:?}", sailed.seen);
            for tag in &event.data.tags {
                let key = tag.to_string();
                let mut trail = replay.at(&key, position);
                let is_flag = tag.name() == "flag";
                trail.add(sailed.mark ^ if is_flag { position.get() } else { 0 });
                let trails = replay.trails.entry(key).or_default();
                trails.push((position, trail));
            }
            let command = replay.commands.entry(event.meta.command);
            command.or_default().push(sailed.mark);
        }
        replay
    }

    /// The state as of a position.
    fn at(&self, tag: &str, position: Position) -> Trail {
        let trails = self.trails.get(tag).map_or(&[][..], Vec::as_slice);
        let until = trails.partition_point(|(at, _)| *at <= position);
        trails[..until]
            .last()
            .map_or_else(Trail::default, |it| it.1)
    }

    fn was_so(&self, seen: &Seen, position: Position) -> bool {
        seen.iter()
            .all(|(tag, trail)| self.at(tag, position) == *trail)
    }

    pub fn check(&self, Sent { id, command, ends }: &Sent) {
        let marks = self.commands.get(id);
        assert!(
            marks.is_none_or(|marks| marks == command.marks()),
            "all or nothing: {command:?}"
        );
        let may_be_recorded = ends
            .iter()
            .any(|end| matches!(end, End::Recorded | End::Unknown));
        assert!(marks.is_none() || may_be_recorded, "{command:?}: {ends:?}");
        for end in ends {
            match end {
                End::Recorded => {
                    let is_recorded = marks.is_some() || command.marks().is_empty();
                    assert!(is_recorded, "{command:?}: {ends:?}");
                }
                End::Refused { seen, between } => {
                    let mut positions = (between.0.get()..=between.1.get()).map(Position::new);
                    let was_so = positions.any(|position| self.was_so(seen, position));
                    assert!(was_so, "{seen:?} was never so in {between:?}: {command:?}");
                }
                End::Failed | End::Unknown => {}
            }
        }
    }

    /// Checks the states at the end of the log.
    pub async fn check_states(&self, app: &Dispatcher) {
        for id in &IDS {
            let states = [
                ("hull", app.state::<Hull>(id).await.map(|hull| hull.0)),
                ("keel", app.state::<Keel>(id).await.map(|keel| keel.0)),
                ("mast", app.state::<Mast>(id).await.map(|mast| mast.0)),
                ("flag", app.state::<Flag>(id).await.map(|flag| flag.0)),
                ("hold", app.state::<Hold>(id).await.map(|hold| hold.0)),
            ];
            for (name, trail) in states {
                let tag = format!("{name}:{id}");
                let last = self.at(&tag, Position::new(u64::MAX));
                assert_eq!(trail.expect("a state"), last, "{tag}");
            }
        }
    }
}
