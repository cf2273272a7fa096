use std::collections::HashSet;
use std::sync::Arc;

use crate::store::{Recorded, Tag};

/// The keys that the folds of the next events will probably ask for, in order, and at most this many.
///
/// A fold that asks for the view of an id in its event's tags is likely to do the same with the next
/// events: the view of an order is changed by the events of that order. So the views of a whole page are
/// loaded together. A key that is guessed wrong costs its load.
pub(super) fn likely_keys(
    missed: &[String],
    event: &Recorded,
    ahead: &[Arc<Recorded>],
    max: usize,
) -> Vec<String> {
    let tags = event.data.tags.iter();
    let asked = tags.filter(|tag| missed.iter().any(|key| key == tag.id()));
    let names: HashSet<&str> = asked.map(Tag::name).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let mut known: HashSet<&str> = missed.iter().map(String::as_str).collect();
    let next = ahead.iter().flat_map(|event| event.data.tags.iter());
    let ids = next
        .filter(|tag| names.contains(tag.name()))
        .map(Tag::id)
        .filter(|id| known.insert(id));
    ids.take(max).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Append, EventData, EventType, Position};
    use crate::{CommandId, Timestamp};

    fn event(tags: &[&str]) -> Arc<Recorded> {
        let data = EventData {
            event_type: EventType::new("placed"),
            version: 1,
            tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
            payload: Vec::new(),
        };
        let append = Append::new(CommandId::new(), vec![data]);
        let mut events = append.record(Position::START, Timestamp::UNIX_EPOCH);
        Arc::new(events.next().expect("an event"))
    }

    #[test]
    fn the_next_events_ask_for_the_ids_of_the_same_tag() {
        let first = event(&["order:O1", "customer:C1"]);
        let ahead = [
            event(&["order:O1", "customer:C2"]),
            event(&["order:O2", "customer:C2"]),
            event(&["customer:C3"]),
            event(&["order:O3"]),
            event(&["order:O2"]),
        ];
        let likely = |missed: &str, max| likely_keys(&[missed.to_owned()], &first, &ahead, max);
        assert_eq!(likely("O1", 10), ["O2", "O3"]);
        assert_eq!(likely("O1", 1), ["O2"]);
        assert_eq!(likely("C1", 10), ["C2", "C3"]);
        assert!(likely("all", 10).is_empty(), "no tag has it");
    }
}
