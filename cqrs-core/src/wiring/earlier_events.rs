use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, Problems};
use crate::registry::{AggregateEntry, EventEntry, UpcasterEntry};
use crate::upcast::Conversions;

impl Plan {
    /// The events in scope, and those of other modules that something in scope reads.
    pub(crate) fn events_read(&self) -> Vec<&'static EventEntry> {
        let mut events = self.events.clone();
        events.extend(self.events_of_others());
        events
    }

    /// The aggregates in scope, and those of other modules that an event names which something in scope reads.
    pub(super) fn aggregates_read(&self) -> Vec<&'static AggregateEntry> {
        let events = self.events_read();
        let concerned = events
            .iter()
            .flat_map(|event| event.concerns.iter().copied());
        let mut names: BTreeSet<&str> = concerned.collect();
        for entry in &self.aggregates {
            names.remove(entry.aggregate.name);
        }
        let registered = self.registry.aggregates.iter().copied();
        let others = registered.filter(|it| names.contains(it.aggregate.name));
        self.aggregates.iter().copied().chain(others).collect()
    }

    /// What gives events of earlier versions and names their present form.
    pub(crate) fn conversions(&self) -> Conversions {
        let (events, aggregates) = (self.events_read(), self.aggregates_read());
        Conversions::new(&events, &self.upcasters, &aggregates)
    }

    /// The upcasters of events of other modules that something in scope reads, if they are not in scope themselves: for
    /// each version the one that is nearest to the event. A program of the same process may have others, for an event that
    /// has another version there.
    pub(super) fn upcasters_of_others(&self) -> Vec<&'static UpcasterEntry> {
        let mut nearest: BTreeMap<(&str, u32), (usize, Vec<&'static UpcasterEntry>)> =
            BTreeMap::new();
        for event in self.events_of_others() {
            let registered = self.registry.upcasters.iter().copied();
            let of_event = registered.filter(|it| it.event == event.name);
            for upcaster in of_event.filter(|it| it.from < event.version) {
                let step = (event.name, upcaster.from);
                let mut selected = self.upcasters.iter();
                if selected.any(|it| (it.event, it.from) == step) {
                    continue;
                }
                let near = event.source.levels_shared(upcaster.source);
                let (best, found) = nearest.entry(step).or_default();
                if near > *best {
                    *best = near;
                    found.clear();
                }
                if near == *best {
                    found.push(upcaster);
                }
            }
        }
        nearest.into_values().flat_map(|(_, it)| it).collect()
    }

    fn events_of_others(&self) -> Vec<&'static EventEntry> {
        let folds = self.projections.iter().flat_map(|it| &it.folds);
        let folded = folds.map(|fold| fold.event);
        let reacted = self.reactions.iter().map(|it| it.event);
        let processes = self.processes.iter();
        let managed = processes.flat_map(|it| it.events().map(|(_, event)| event));
        let aggregates = self.aggregates.iter();
        let applied = aggregates.flat_map(|it| it.aggregate.events.iter().copied());
        let mut names: BTreeSet<&str> = folded
            .chain(reacted)
            .chain(managed)
            .chain(applied)
            .collect();
        for event in &self.events {
            names.remove(event.name);
        }
        let registered = &self.registry.events;
        let entries = names
            .into_iter()
            .filter_map(|name| registered.iter().copied().find(|it| it.name == name));
        entries.collect()
    }

    /// Checks that each event of an earlier version or name has one way to its present form.
    pub(super) fn check_earlier_events(&self, problems: &mut Problems) {
        let events = self.events_read();
        check_names(&events, problems);
        let mut upcasters: BTreeMap<&str, Vec<&'static UpcasterEntry>> = BTreeMap::new();
        for upcaster in &self.upcasters {
            upcasters.entry(upcaster.event).or_default().push(*upcaster);
        }
        for (event, mut upcasters) in upcasters {
            upcasters.sort_by_key(|it| it.from);
            if let Some(event) = events.iter().find(|it| it.name == event) {
                check_chain(event, &upcasters, problems);
            } else {
                let renamed = events.iter().find(|it| it.was.contains(&event));
                report_no_event((event, renamed.copied()), &upcasters, problems);
            }
        }
    }
}

/// Reports an upcaster of an event that has another name now, or is not there.
fn report_no_event(
    (event, renamed): (&str, Option<&EventEntry>),
    upcasters: &[&'static UpcasterEntry],
    problems: &mut Problems,
) {
    let (error, write) = match renamed {
        Some(EventEntry { name, .. }) => (
            format!("an upcaster is of the event `{event}`, whose present name is `{name}`"),
            format!("`event = \"{name}\"`"),
        ),
        None => (
            format!("an upcaster is of the event `{event}`, which nothing registers"),
            "the wire name of an event, or remove the upcaster".to_owned(),
        ),
    };
    problems.add(error, upcasters.iter().map(|it| it.source), write);
}

/// Checks that no earlier name is that of two events.
fn check_names(events: &[&'static EventEntry], problems: &mut Problems) {
    for (place, event) in events.iter().enumerate() {
        for name in event.was {
            let others = events.iter().enumerate().filter(|(other, it)| {
                // A pair with the same earlier name is reported once.
                it.name == *name || (*other > place && it.was.contains(name))
            });
            for (_, other) in others {
                problems.add(
                    format!(
                        "the events `{}` and `{}` both have the name `{name}`, at present or earlier",
                        event.name, other.name
                    ),
                    [event.source, other.source],
                    "it in the `was` of the one that the log has under it",
                );
            }
        }
    }
}

/// Checks that there is one upcaster for each version from the first one's to the one before the event's.
fn check_chain(event: &EventEntry, upcasters: &[&'static UpcasterEntry], problems: &mut Problems) {
    let name = event.name;
    for same in upcasters.chunk_by(|one, other| one.from == other.from) {
        let from = same[0].from;
        if same.len() > 1 {
            problems.add(
                format!(
                    "the event `{name}` has {} upcasters from version {from}",
                    same.len()
                ),
                same.iter().map(|it| it.source),
                "one of them: remove the others",
            );
        }
        if from >= event.version {
            problems.add(
                format!(
                    "an upcaster takes version {from} of the event `{name}`, which has version {}",
                    event.version
                ),
                same.iter().map(|it| it.source).chain([event.source]),
                format!(
                    "`version = {}` in its `#[event(..)]`, if the upcaster converts to its present form",
                    from + 1
                ),
            );
        }
    }
    let Some(first) = upcasters.first() else {
        return;
    };
    for missing in first.from..event.version {
        if !upcasters.iter().any(|it| it.from == missing) {
            problems.add(
                format!("the event `{name}` has no upcaster from version {missing}"),
                upcasters.iter().map(|it| it.source).chain([event.source]),
                format!(
                    "`#[upcast(event = \"{name}\", from = {missing})]` on a function from version {missing} to \
                     {}",
                    missing + 1
                ),
            );
        }
    }
}
