//! UmaDB: a server that is killed, stands still, has other data or another client, and what else
//! answers at its address.

mod conformance;
mod connecting;
mod dispatching;
mod other_data;
mod outage;

use cqrs_core::store::{Append, EventData, EventLog, EventQuery, EventType, ReadRange, Tag};
use cqrs_core::{CommandId, Position, Recorded};
use std::sync::Arc;

/// A command with one event.
fn noted(tag: &str) -> Append {
    let event = EventData {
        event_type: EventType::new("noted"),
        version: 1,
        tags: Tag::from(tag).into(),
        payload: b"{}".to_vec(),
    };
    Append::new(CommandId::new(), vec![event])
}

/// All events.
async fn events(log: &impl EventLog) -> Vec<Arc<Recorded>> {
    let range = ReadRange::after(Position::START);
    let page = log.read(EventQuery::All, range).await;
    page.expect("the log can be read").events
}
