use std::sync::Arc;

use cqrs_core::{Dispatcher, Recorded, Uuid};
use example_catalog::Product;

use super::columns::Column::{Left, Right};
use super::columns::Columns;
use super::out::{FAINT, escape_controls, print_line};
use super::tables::time;
use super::{CliError, args};

/// Prints the events of a product.
pub async fn run(dispatcher: &Dispatcher, history: &args::HistoryArgs) -> Result<(), CliError> {
    let events = dispatcher.history::<Product>(&history.id).all().await?;
    if events.is_empty() {
        return Err(CliError::Refused(format!(
            "there are no events of a product {}",
            history.id
        )));
    }
    print_line(events_table(&events, history.full))?;
    Ok(())
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
