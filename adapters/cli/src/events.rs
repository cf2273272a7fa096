use std::sync::Arc;

use cqrs_core::store::Tag;
use cqrs_core::{Recorded, Uuid};
use serde_json::{Value, json};

use crate::columns::Column::{Left, Right};
use crate::columns::Columns;
use crate::out::{FAINT, escape_controls, time};

/// An event as JSON.
pub(crate) fn event_as_json(event: &Recorded) -> Value {
    let tags: Vec<_> = event.data.tags.iter().map(Tag::as_str).collect();
    json!({
        "position": event.position.get(),
        "time": event.meta.time.to_string(),
        "type": event.data.event_type.as_str(),
        "version": event.data.version,
        "tags": tags,
        "actor": event.meta.actor,
        "id": event.meta.id.to_string(),
        "correlation": event.meta.correlation.to_string(),
        "causation": event.meta.causation.to_string(),
        "metadata": event.meta.custom,
        "data": event.data.json(),
    })
}

/// Events in position order, each with its payload on a line of its own.
pub fn events_table(events: &[Arc<Recorded>], full: bool) -> String {
    let mut table = Columns::new([
        ("POSITION", Right),
        ("TIME", Left),
        ("EVENT", Left),
        ("ACTOR", Left),
        ("CORRELATION", Left),
        ("CAUSATION", Left),
    ]);
    for event in events {
        table.row([
            event.position.to_string(),
            time(event.meta.time),
            format!("{} v{}", event.data.event_type, event.data.version),
            event
                .meta
                .actor
                .as_deref()
                .unwrap_or_default()
                .replace('\n', " "),
            id(event.meta.correlation, full),
            id(event.meta.causation, full),
        ]);
    }
    let mut lines = table.lines().into_iter();
    let mut text: Vec<String> = lines.next().into_iter().collect();
    for (line, event) in lines.zip(events) {
        text.push(line);
        let payload = escape_controls(&String::from_utf8_lossy(&event.data.payload));
        text.push(format!("           {FAINT}{payload}{FAINT:#}"));
        let entries = event.meta.custom.iter();
        let metadata: Vec<_> = entries
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        if !metadata.is_empty() {
            let metadata = escape_controls(&metadata.join(" "));
            text.push(format!("           {FAINT}{metadata}{FAINT:#}"));
        }
    }
    text.join("\n")
}

/// An id, or its last digits, which suffice to compare ids.
fn id(id: Uuid, full: bool) -> String {
    let id = id.to_string();
    match id.char_indices().rev().nth(7) {
        Some((end, _)) if !full => format!("..{}", &id[end..]),
        _ => id,
    }
}
