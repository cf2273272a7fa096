use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::app::{History, Model, NodeKind};
use cqrs_core::error::Failure;
use cqrs_core::store::{EventLogExt, EventQuery, EventQueryItem, EventType, Tag};
use cqrs_core::{Actor, Dispatcher, Position, Recorded};
use tokio::time::sleep;

use crate::args::HistoryArgs;
use crate::error::CliError;
use crate::events::{event_as_json, events_table};
use crate::out::{print_json_line, print_line};
use crate::signal::Signal;

/// Time between two looks at the end of the log.
const INTERVAL: Duration = Duration::from_millis(250);

/// Maximum number of events that are printed as one table.
const PAGE: usize = 1_000;

/// Prints the events of an aggregate, of types, with tags, or all.
pub(crate) async fn run(
    dispatcher: &Dispatcher,
    model: &Model,
    history: &HistoryArgs,
    actor: Actor,
    as_json: bool,
) -> Result<(), CliError> {
    let query = query(model, history)?;
    let after = Position::new(history.after);
    let mut shown = Shown {
        history,
        as_json,
        has_headings: false,
        left: history.limit.unwrap_or(usize::MAX),
    };
    if history.follow {
        return follow(dispatcher, &query, after, actor, &mut shown).await;
    }
    let all = dispatcher.events(query).actor(actor).after(after);
    let mut events = selected(all, history);
    if let Some(position) = history.up_to {
        events = events.up_to(Position::new(position));
    }
    let mut stream = events.stream()?;
    let mut page = Vec::new();
    let mut is_empty = true;
    while shown.left > page.len() {
        let Some(event) = stream.next().await.map_err(Failure::from)? else {
            break;
        };
        is_empty = false;
        page.push(event);
        if page.len() == PAGE {
            shown.print(&page)?;
            page.clear();
        }
    }
    if is_empty && history.limit != Some(0) {
        return Err(CliError::Refused(nothing(history)));
    }
    shown.print(&page)
}

/// Prints events as they are recorded, until the program is told to stop.
async fn follow(
    dispatcher: &Dispatcher,
    query: &EventQuery,
    after: Position,
    actor: Actor,
    shown: &mut Shown<'_>,
) -> Result<(), CliError> {
    let mut after = after;
    // Once, so that a signal between two reads is not missed.
    let mut signaled = pin!(Signal::received());
    loop {
        let head = dispatcher.log().head().await?;
        if head > after {
            let new = dispatcher.events(query.clone()).actor(actor.clone());
            let wanted = selected(new.after(after).up_to(head), shown.history);
            let events = wanted.all().await?;
            shown.print(&events)?;
            after = head;
        }
        tokio::select! {
            biased;
            signal = &mut signaled => return Ok(signal.map(drop)?),
            () = sleep(INTERVAL) => {}
        }
    }
}

/// The events of the actor and the times of the arguments.
fn selected(mut events: History, history: &HistoryArgs) -> History {
    if let Some(actor) = &history.by {
        events = events.by(actor);
    }
    if let Some(time) = history.since {
        events = events.since(time);
    }
    if let Some(time) = history.until {
        events = events.until(time);
    }
    events
}

/// The events that the arguments select.
fn query(model: &Model, history: &HistoryArgs) -> Result<EventQuery, CliError> {
    let mut item = EventQueryItem::default();
    if let (Some(aggregate), Some(id)) = (&history.aggregate, &history.id) {
        item.tags.push(tag(model, aggregate, id)?);
    }
    for text in &history.tags {
        let (name, id) = text.split_once(':').ok_or_else(|| {
            CliError::Invalid(format!("`{text}` is no tag: write `AGGREGATE:ID`"))
        })?;
        item.tags.push(tag(model, name, id)?);
    }
    for name in &history.types {
        if model.node(NodeKind::Event, name).is_none() && !name.contains(':') {
            return Err(CliError::Invalid(format!(
                "there is no event `{name}`: `explain` lists them all"
            )));
        }
        item.types.push(EventType::from(name.clone()));
    }
    Ok(if item == EventQueryItem::default() {
        EventQuery::All
    } else {
        EventQuery::Items(vec![item])
    })
}

/// The tag of an id. Its name is that of an aggregate, or of the process managers and projections that share it.
fn tag(model: &Model, name: &str, id: &str) -> Result<Tag, CliError> {
    let fields = model.nodes.iter().flat_map(|node| &node.fields);
    let is_known = model.node(NodeKind::Aggregate, name).is_some()
        || fields.filter_map(|it| it.aggregate).any(|it| it == name);
    if is_known {
        return Ok(Tag::new(name, id));
    }
    let aggregates = model.of_kind(NodeKind::Aggregate);
    let known: Vec<_> = aggregates.map(|node| &*node.id.name).collect();
    Err(CliError::Invalid(format!(
        "there is no aggregate `{name}`, only: {}",
        known.join(", ")
    )))
}

/// The text if there are no events.
fn nothing(history: &HistoryArgs) -> String {
    match (&history.aggregate, &history.id) {
        (Some(aggregate), Some(id)) if history.is_whole() => {
            format!("there are no events of {aggregate} {id}")
        }
        _ => "there are no such events".to_owned(),
    }
}

/// The form in which events are printed.
struct Shown<'h> {
    history: &'h HistoryArgs,
    as_json: bool,
    has_headings: bool,
    /// Number of events that may still be printed.
    left: usize,
}

impl Shown<'_> {
    fn print(&mut self, events: &[Arc<Recorded>]) -> Result<(), CliError> {
        let events = &events[..events.len().min(self.left)];
        self.left -= events.len();
        if events.is_empty() {
            return Ok(());
        }
        if self.as_json {
            for event in events {
                print_json_line(&event_as_json(event))?;
            }
            return Ok(());
        }
        let table = events_table(events, self.history.full);
        let text = match table.split_once('\n') {
            Some((_, rows)) if self.has_headings => rows,
            _ => &table,
        };
        self.has_headings = true;
        print_line(text)?;
        Ok(())
    }
}
