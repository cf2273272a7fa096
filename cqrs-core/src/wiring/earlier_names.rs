use super::{Plan, Problems};
use crate::source::Source;

/// An item that was perhaps renamed.
struct NamedItem {
    name: &'static str,
    was: Option<&'static str>,
    source: Source,
}

impl Plan {
    /// Checks that each name in the store belongs to one item.
    pub(super) fn check_earlier_names(&self, problems: &mut Problems) {
        let projections = self.projections.iter().map(|it| NamedItem {
            name: it.entry.name,
            was: it.entry.was,
            source: it.entry.source,
        });
        check_stored("projections", projections.collect(), problems);
        let reactions = self.reactions.iter().map(|it| NamedItem {
            name: it.name,
            was: it.was,
            source: it.source,
        });
        check_stored("event handlers", reactions.collect(), problems);
        let processes = self.processes.iter().map(|it| NamedItem {
            name: it.entry.name,
            was: it.entry.was,
            source: it.entry.source,
        });
        check_stored("process managers", processes.collect(), problems);
        self.check_aggregates(problems);
    }

    /// Checks that no earlier name of an aggregate is that of another one, in the log or in an event.
    fn check_aggregates(&self, problems: &mut Problems) {
        let aggregates = self.aggregates_read();
        for (place, entry) in aggregates.iter().enumerate() {
            let (name, Some(was)) = (entry.aggregate.name, entry.was) else {
                continue;
            };
            let others = aggregates.iter().enumerate().filter(|(other, it)| {
                // A pair with the same earlier name is reported once.
                let has_it = it.aggregate.name == was || (*other > place && it.was == Some(was));
                has_it && it.aggregate.name != name
            });
            for (_, other) in others {
                problems.add(
                    format!(
                        "the aggregates `{name}` and `{}` both have the name `{was}`, at present or earlier",
                        other.aggregate.name
                    ),
                    [entry.source, other.source],
                    "it in the `was` of the one that the log has under it",
                );
            }
            let events = self.events_read();
            for event in events.iter().filter(|it| it.concerns.contains(&was)) {
                problems.add(
                    format!(
                        "the event `{}` has an id of `{was}`, which is the earlier name of the aggregate `{name}`",
                        event.name
                    ),
                    [event.source, entry.source],
                    format!("`#[id(\"{name}\")]` on its field: the log keeps the earlier name by itself"),
                );
            }
        }
    }
}

/// Checks that no two items have one name in the store. Two with one name at present are reported elsewhere.
fn check_stored(word: &str, items: Vec<NamedItem>, problems: &mut Problems) {
    let stored = |item: &NamedItem| item.was.unwrap_or(item.name);
    for (place, one) in items.iter().enumerate() {
        let others = items[place + 1..].iter();
        let same = others.filter(|it| stored(it) == stored(one) && it.name != one.name);
        for other in same {
            problems.add(
                format!(
                    "the {word} `{}` and `{}` are both stored as `{}`",
                    one.name,
                    other.name,
                    stored(one)
                ),
                [one.source, other.source],
                "it in the `was` of the one that has it in the store, and another `name` for the other one",
            );
        }
    }
}
