use std::collections::HashMap;
use std::sync::Arc;

use super::{HeldCheckpoint, Partition};
use crate::store::{
    Ahead, EventLog, EventQuery, ParkedKey, Position, ReadRange, Recorded, Slices, StoreError,
};

/// The events of a shard: of its slices, not handled before a division, and not of parked keys.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ShardSelection {
    partition: Partition,
    slices: Slices,
    ahead: Vec<(Slices, Position)>,
    /// The first event of each parked key that is left out.
    parked: HashMap<String, Position>,
}

impl ShardSelection {
    /// `None` for the shard of a subscription that is not divided and never was, and has no parked keys: it
    /// has all events.
    pub(crate) fn new(
        partition: Option<Partition>,
        slices: Slices,
        ahead: &[Ahead],
        parked: &[ParkedKey],
    ) -> Option<Self> {
        let partition = partition?;
        let has_all = slices == Slices::ALL && ahead.is_empty() && parked.is_empty();
        (!has_all).then(|| Self {
            partition,
            slices,
            ahead: ahead
                .iter()
                .map(|ahead| (ahead.slices, last_handled(ahead)))
                .collect(),
            parked: parked
                .iter()
                .map(|parked| {
                    // Of a released one, what comes before it is done, or skipped.
                    let first = if parked.is_released {
                        Position::START
                    } else {
                        parked.first
                    };
                    (parked.key.clone(), first)
                })
                .collect(),
        })
    }

    /// Whether the shard has to handle an event.
    pub(crate) fn has(&self, event: &Recorded) -> bool {
        let mut ids = self.partition.ids(event);
        ids.any(|id| self.has_id(id, event.position))
    }

    /// Whether the shard has to handle the event at this position for one of the ids to which it belongs.
    pub(crate) fn has_id(&self, id: &str, position: Position) -> bool {
        let slice = Slices::of_tag(id);
        let first_parked = self.parked.get(id);
        let mut ahead = self.ahead.iter();
        self.slices.contains(slice)
            && ahead.all(|(slices, up_to)| !slices.contains(slice) || position > *up_to)
            && first_parked.is_none_or(|first| position < *first)
    }
}

impl HeldCheckpoint {
    /// The ids of an event for which it is to be handled: of a subscription whose events may belong to several,
    /// those that `selection` has, or the one that is released. None if the event was recorded without one.
    pub(crate) fn ids_to_handle<'e>(
        &self,
        selection: Option<&ShardSelection>,
        event: &'e Recorded,
    ) -> Vec<&'e str> {
        let Some(partition) = self.progress.info().partition else {
            return Vec::new();
        };
        let mut ids: Vec<&str> = partition.recorded_ids(event).collect();
        ids.retain(|id| match &self.released {
            Some(released) => *id == released.key,
            None => selection.is_none_or(|it| it.has_id(id, event.position)),
        });
        ids
    }
}

/// The events that a shard has to handle.
pub(super) fn select(
    selection: Option<&ShardSelection>,
    mut events: Vec<Arc<Recorded>>,
) -> Vec<Arc<Recorded>> {
    if let Some(selection) = selection {
        events.retain(|event| selection.has(event));
    }
    events
}

/// A look at the log for the next event of a shard.
pub(crate) struct NextEvent {
    /// The event, if the log has one.
    pub(crate) event: Option<Arc<Recorded>>,
    /// Up to here, there is none before it.
    pub(crate) none_up_to: Position,
}

/// Reads the next event of a subscription that a shard has to handle, after a position and perhaps up to
/// another one.
///
/// # Errors
/// When the log cannot be read.
pub(crate) async fn next_event(
    log: &dyn EventLog,
    query: &EventQuery,
    selection: Option<&ShardSelection>,
    (after, up_to): (Position, Option<Position>),
) -> Result<NextEvent, StoreError> {
    let mut none_up_to = after;
    loop {
        let mut range = ReadRange {
            up_to,
            ..ReadRange::after(none_up_to)
        };
        if selection.is_none() {
            range.limit = 1;
        }
        let page = log.read(query.clone(), range).await?;
        let mut events = page.events.into_iter();
        let event = events.find(|event| selection.is_none_or(|it| it.has(event)));
        if let Some(event) = event {
            return Ok(NextEvent {
                none_up_to: event.position.before().max(none_up_to),
                event: Some(event),
            });
        }
        none_up_to = none_up_to.max(page.next.unwrap_or(page.as_of));
        if page.next.is_none() {
            return Ok(NextEvent {
                event: None,
                none_up_to,
            });
        }
    }
}

/// The subscription had no event between its last one and the checkpoint. If there is one all the same,
/// the log was cut and has grown since.
pub(super) fn last_handled(ahead: &Ahead) -> Position {
    let Ahead { checkpoint, .. } = ahead;
    let last = checkpoint.last_event.map(|event| event.position);
    last.unwrap_or(checkpoint.position)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::{CustomMetadata, EventData, EventType, Metadata, Tag};
    use crate::{CommandId, EventId, Timestamp};

    fn event(position: u64, tags: &[&str]) -> Recorded {
        Recorded {
            position: Position::new(position),
            data: EventData {
                event_type: EventType::new("order-placed"),
                version: 1,
                tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
                payload: Vec::new(),
            },
            meta: Metadata {
                id: EventId::from(Uuid::from_u128(u128::from(position))),
                time: Timestamp::UNIX_EPOCH,
                actor: None,
                command: CommandId::from(Uuid::nil()),
                correlation: Uuid::nil(),
                causation: Uuid::nil(),
                custom: CustomMetadata::default(),
            },
        }
    }

    const ORDER: Option<Partition> = Some(Partition {
        tag: "order",
        each: false,
    });

    #[test]
    fn a_shard_has_the_events_of_its_slices() {
        assert_eq!(ShardSelection::new(None, Slices::ALL, &[], &[]), None);
        assert_eq!(ShardSelection::new(ORDER, Slices::ALL, &[], &[]), None);
        let slice = Slices::of_tag("O1");
        let selection = ShardSelection::new(ORDER, slice.into(), &[], &[]).expect("one slice");
        assert!(selection.has(&event(1, &["order:O1"])));
        assert!(selection.has(&event(1, &["customer:C1", "order:O1"])));
        assert!(!selection.has(&event(1, &["order:O2"])));
        assert!(!selection.has(&event(1, &["customer:O1"])));
        let empty = Slices::of_tag("");
        let selection = ShardSelection::new(ORDER, empty.into(), &[], &[]).expect("one slice");
        assert!(
            selection.has(&event(1, &["customer:C1"])),
            "without the tag"
        );
    }

    #[test]
    fn what_was_handled_before_a_division_is_not_handled_again() {
        let slice = Slices::of_tag("O1");
        let ahead = Ahead {
            slices: slice.into(),
            checkpoint: Position::new(9).into(),
        };
        let selection = ShardSelection::new(ORDER, Slices::ALL, &[ahead], &[]).expect("ahead");
        assert!(!selection.has(&event(9, &["order:O1"])));
        assert!(selection.has(&event(10, &["order:O1"])));
        assert!(selection.has(&event(3, &["order:O2"])));
    }

    #[test]
    fn a_parked_key_is_left_out_from_its_first_event_on() {
        let parked = ParkedKey {
            partition: "order".to_owned(),
            key: "O1".to_owned(),
            first: Position::new(7),
            cause: "no address".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            is_released: false,
        };
        let selection = ShardSelection::new(ORDER, Slices::ALL, &[], &[parked]);
        let selection = selection.expect("a parked key");
        assert!(selection.has(&event(6, &["order:O1"])));
        assert!(!selection.has(&event(7, &["order:O1"])));
        assert!(!selection.has(&event(8, &["customer:C1", "order:O1"])));
        assert!(selection.has(&event(8, &["order:O2", "order:O1"])));
        assert!(selection.has(&event(8, &[])), "without the tag");
    }

    #[test]
    fn an_event_of_several_ids_is_handled_for_those_of_the_shard() {
        let parked = ParkedKey {
            partition: "order".to_owned(),
            key: "O1".to_owned(),
            first: Position::new(7),
            cause: "no address".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            is_released: false,
        };
        let partition = Some(Partition::by_each("order"));
        let selection = ShardSelection::new(partition, Slices::ALL, &[], &[parked]);
        let selection = selection.expect("a parked key");
        assert!(selection.has(&event(8, &["order:O1", "order:O2"])));
        let of_ids = ["O1", "O2"].map(|id| selection.has_id(id, Position::new(8)));
        assert_eq!(of_ids, [false, true]);
        let slice = Slices::of_tag("O2");
        let selection = ShardSelection::new(partition, slice.into(), &[], &[]).expect("one slice");
        assert!(selection.has(&event(8, &["order:O1", "order:O2"])));
        assert!(!selection.has(&event(8, &["order:O1"])));
    }
}
