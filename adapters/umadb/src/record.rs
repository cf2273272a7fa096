//! Conversion of events to and from those of UmaDB.
//!
//! The id of the command is the source of the tracking information, which the server keeps once per
//! source and returns with each event. Other fields are metadata, omitted where they have their
//! usual value: version 1, no actor, no custom metadata, and the command as correlation and causation.

use cqrs_core::store::{
    Append, CustomMetadata, EventData, EventQuery, EventQueryItem, Metadata, Position, Recorded,
    StoredCommand, Tag, Tags,
};
use cqrs_core::{CommandId, EventId, Timestamp};
use uuid::Uuid;

use crate::proto;

/// The type of the event that stands for a command without events.
const MARKER: &str = "$command";

/// The tag of a command's first event, by which it is found, begins with this.
const COMMAND_TAG: &str = "$command:";

/// Prefix of types and tags that are reserved for this crate.
const RESERVED: char = '$';

/// The tracking position of every command. The server accepts a position once per source, so it refuses a
/// second append of a command (I6).
const ONCE: u64 = 1;

/// The request that appends the events of a command, without the condition.
///
/// # Errors
/// A name that is reserved.
pub(crate) fn request(append: &Append, time: Timestamp) -> Result<proto::AppendRequest, String> {
    let mut events = Vec::with_capacity(append.events.len().max(1));
    let custom = append
        .metadata
        .to_json()
        .map_err(|error| error.to_string())?;
    let metadata = |index, version| metadata(append, time, (index, version), custom.clone());
    for event in &append.events {
        let names = event.tags.iter().map(Tag::as_str);
        if let Some(name) = names
            .chain([event.event_type.as_str()])
            .find(|name| name.starts_with(RESERVED))
        {
            return Err(format!(
                "types and tags with `$` first are reserved: {name:?}"
            ));
        }
        events.push(proto::Event {
            event_type: event.event_type.as_str().to_owned(),
            tags: event
                .tags
                .iter()
                .map(|tag| tag.as_str().to_owned())
                .collect(),
            data: event.payload.clone().into(),
            uuid: String::new(),
            metadata: metadata(events.len(), event.version),
        });
    }
    if events.is_empty() {
        events.push(proto::Event {
            event_type: MARKER.to_owned(),
            metadata: metadata(0, 1),
            ..proto::Event::default()
        });
    }
    events[0].tags.push(command_tag(append.command));
    Ok(proto::AppendRequest {
        events,
        condition: None,
        tracking_info: Some(proto::TrackingInfo {
            source: append.command.to_string(),
            position: ONCE,
        }),
    })
}

fn metadata(
    append: &Append,
    time: Timestamp,
    (index, version): (usize, u32),
    custom: Option<String>,
) -> Vec<proto::MetadataEntry> {
    let own = append.command.as_uuid();
    let first = (index == 0).then_some(append);
    [
        ("time", Some(time.to_string())),
        ("index", Some(index.to_string())),
        ("count", first.map(|it| it.events.len().to_string())),
        (
            "fingerprint",
            first.map(|it| format!("{:016x}", it.fingerprint)),
        ),
        ("version", (version != 1).then(|| version.to_string())),
        ("actor", append.actor.clone()),
        (
            "correlation",
            (append.correlation != own).then(|| append.correlation.to_string()),
        ),
        (
            "causation",
            (append.causation != own).then(|| append.causation.to_string()),
        ),
        ("custom", custom),
    ]
    .into_iter()
    .filter_map(|(key, value)| {
        let key = key.to_owned();
        value.map(|value| proto::MetadataEntry { key, value })
    })
    .collect()
}

/// The query that finds a command's first event.
pub(crate) fn command_query(id: CommandId) -> proto::Query {
    proto::Query {
        items: vec![proto::QueryItem {
            types: Vec::new(),
            tags: vec![command_tag(id)],
        }],
    }
}

fn command_tag(id: CommandId) -> String {
    format!("{COMMAND_TAG}{id}")
}

/// The items of a query; none for a query that matches nothing.
pub(crate) fn query_items(query: &EventQuery) -> Vec<proto::QueryItem> {
    match query {
        EventQuery::All => vec![proto::QueryItem::default()],
        EventQuery::Items(items) => items.iter().map(query_item).collect(),
    }
}

fn query_item(item: &EventQueryItem) -> proto::QueryItem {
    proto::QueryItem {
        types: item.types.iter().map(ToString::to_string).collect(),
        tags: item.tags.iter().map(ToString::to_string).collect(),
    }
}

/// The fields of an event that this crate wrote.
struct Fields<'e> {
    event: &'e proto::Event,
    command: CommandId,
    index: usize,
}

impl<'e> Fields<'e> {
    fn of(stored: &'e proto::SequencedEvent) -> Option<Self> {
        let event = stored.event.as_ref()?;
        let fields = Self {
            event,
            command: stored.tracking_info.as_ref()?.source.parse().ok()?,
            index: 0,
        };
        let index = fields.parsed("index")?;
        Some(Self { index, ..fields })
    }

    fn text(&self, key: &str) -> Option<&'e str> {
        let entry = self.event.metadata.iter().find(|entry| entry.key == key);
        entry.map(|entry| entry.value.as_str())
    }

    fn parsed<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    /// A field that has the default where it is absent, `None` where it cannot be read.
    fn parsed_or<T: std::str::FromStr>(&self, key: &str, default: T) -> Option<T> {
        match self.text(key) {
            Some(text) => text.parse().ok(),
            None => Some(default),
        }
    }
}

/// Whether an event stands for a command without events.
pub(crate) fn is_marker(stored: &proto::SequencedEvent) -> bool {
    let event = stored.event.as_ref();
    event.is_some_and(|event| event.event_type == MARKER)
}

/// Reads an event.
///
/// # Errors
/// It was not written by this crate.
pub(crate) fn recorded(stored: &proto::SequencedEvent) -> Result<Recorded, String> {
    read(stored).ok_or_else(|| {
        format!(
            "the event at position {} was not written by this library: give it a database of its own",
            stored.position
        )
    })
}

fn read(stored: &proto::SequencedEvent) -> Option<Recorded> {
    let fields = Fields::of(stored)?;
    let Fields {
        event,
        command,
        index,
    } = fields;
    let own: Uuid = command.as_uuid();
    let tags = event.tags.iter().filter(|tag| !tag.starts_with(RESERVED));
    Some(Recorded {
        position: Position::new(stored.position),
        data: EventData {
            event_type: event.event_type.as_str().into(),
            version: fields.parsed_or("version", 1)?,
            tags: tags.map(|tag| Tag::from(tag.as_str())).collect::<Tags>(),
            payload: event.data.to_vec(),
        },
        meta: Metadata {
            id: EventId::of(command, index),
            time: fields.parsed("time")?,
            actor: fields.text("actor").map(str::to_owned),
            command,
            correlation: fields.parsed_or("correlation", own)?,
            causation: fields.parsed_or("causation", own)?,
            custom: match fields.text("custom") {
                None => CustomMetadata::default(),
                Some(json) => CustomMetadata::from_json(json).ok()?,
            },
        },
    })
}

/// The record of a command, read from its first event.
pub(crate) fn stored_command(stored: &proto::SequencedEvent) -> Option<StoredCommand> {
    let fields = Fields::of(stored)?;
    let fingerprint = u64::from_str_radix(fields.text("fingerprint")?, 16).ok()?;
    let first = Position::new(stored.position);
    Some(StoredCommand::new(
        fingerprint,
        first,
        fields.parsed("count")?,
    ))
}
