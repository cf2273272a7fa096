use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use cqrs_core::app::NodeKind;
use cqrs_core::error::Failure;
use cqrs_core::store::{EventLogExt, EventQuery, EventQueryItem, EventType, Tag};
use cqrs_core::{Dispatcher, Position, QueryError, Recorded, Timestamp};
use maud::{Markup, html};

use crate::desk::Desk;
use crate::fields::Fields;
use crate::layout::{Chapter, layout};
use crate::refusal::Refusal;
use crate::table::{Column, caption, cards};
use crate::visit::{Links, Visit};
use crate::words::{number, time};

/// Number of events of a page.
const PAGE: usize = 50;

/// Maximum number of characters of an event's data in a list.
const MAX_PREVIEW: usize = 160;

/// The events that somebody wants to see.
struct Filter {
    event_type: Option<String>,
    tag: Option<String>,
    /// Of the commands that the events are from.
    actor: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    after: Option<Position>,
}

/// `GET /events`: the events of the log that match, page by page, beginning with the last ones if nothing is said.
pub(crate) async fn answer(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let filter = Filter::read(&visit.fields)?;
    let log = desk.dispatcher.log();
    let head = log.head().await?;
    let mut after = match (filter.after, filter.from) {
        (Some(after), _) => after,
        (None, Some(from)) => {
            let before = from.checked_sub(MICROSECOND).unwrap_or(from);
            log.position_at(before).await?
        }
        (None, None) if filter.is_empty() => Position::new(head.get().saturating_sub(PAGE as u64)),
        (None, None) => Position::START,
    };
    let up_to = match filter.until {
        Some(until) => log.position_at(until).await?,
        None => head,
    };
    after = after.min(up_to);
    let mut history = desk.dispatcher.events(filter.query()?);
    if let Some(actor) = &visit.actor {
        history = history.actor(actor.clone());
    }
    if let Some(actor) = &filter.actor {
        history = history.by(actor);
    }
    let history = history.after(after).up_to(up_to);
    let mut stream = history
        .stream()
        .map_err(|error| Refusal::of_query(&error))?;
    let mut events = Vec::new();
    while events.len() <= PAGE
        && let Some(event) = stream.next().await?
    {
        events.push(event);
    }
    let has_more = events.len() > PAGE;
    events.truncate(PAGE);
    let next = events
        .last()
        .filter(|_| has_more)
        .map(|event| event.position);
    let body = html! {
        (form(&desk, &visit.links, &visit.fields))
        @if events.is_empty() {
            p.note { "No events match." }
        } @else {
            (table(&visit.links, &events))
        }
        nav.buttons aria-label="Pages of events" {
            @if after > Position::START {
                a.button href=(filter.address(&visit.links, Position::START)) { "From the first event" }
            }
            @if filter.is_empty() && after > Position::START {
                @let earlier = Position::new(after.get().saturating_sub(PAGE as u64));
                a.button href=(filter.address(&visit.links, earlier)) { "Earlier" }
            }
            @if let Some(next) = next {
                a.button href=(filter.address(&visit.links, next)) { "Later" }
            }
        }
    };
    let page = layout(&desk, &visit.links, Chapter::Events, "Events", body);
    Ok(Html(page.into_string()))
}

/// The precision of the times of events.
const MICROSECOND: std::time::Duration = std::time::Duration::from_micros(1);

impl Filter {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
        let text = |name| Ok::<_, Refusal>(fields.get(name)?.map(|it| it.trim().to_owned()));
        let moment = |name| {
            let text = fields.get(name)?;
            text.map(|text| read_time(name, text)).transpose()
        };
        Ok(Self {
            event_type: text("type")?,
            tag: text("tag")?,
            actor: text("actor")?,
            from: moment("from")?,
            until: moment("until")?,
            after: fields.optional("after")?.map(Position::new),
        })
    }

    /// Whether the events are not those of a type, a tag or an actor, or of some time.
    fn is_empty(&self) -> bool {
        self.event_type.is_none()
            && self.tag.is_none()
            && self.actor.is_none()
            && self.from.is_none()
            && self.until.is_none()
    }

    fn query(&self) -> Result<EventQuery, Refusal> {
        let mut item = EventQueryItem::default();
        if let Some(name) = &self.event_type {
            item.types.push(EventType::from(name.clone()));
        }
        if let Some(text) = &self.tag {
            item.tags.push(read_tag(text)?);
        }
        Ok(if item == EventQueryItem::default() {
            EventQuery::All
        } else {
            EventQuery::Items(vec![item])
        })
    }

    /// The address of the same events after another position.
    fn address(&self, links: &Links, after: Position) -> String {
        let (after, from, until) = (
            after.to_string(),
            self.from.map(|it| it.to_string()),
            self.until.map(|it| it.to_string()),
        );
        let fields = [
            ("type", self.event_type.as_deref()),
            ("tag", self.tag.as_deref()),
            ("actor", self.actor.as_deref()),
            ("from", from.as_deref()),
            ("until", until.as_deref()),
            ("after", Some(&*after)),
        ];
        let given = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let given_fields: Vec<_> = given.collect();
        links.with("events", &given_fields)
    }
}

/// `account:7`, as events have it.
pub(crate) fn read_tag(text: &str) -> Result<Tag, Refusal> {
    match text.split_once(':') {
        Some((name, id)) if !name.is_empty() && !id.is_empty() => Ok(Tag::new(name, id)),
        _ => Err(Refusal::of_field("tag", "it is no tag such as `account:7`")),
    }
}

/// A time as forms have it, in UTC, or with its zone.
fn read_time(name: &str, text: &str) -> Result<Timestamp, Refusal> {
    let text = text.trim();
    let read = text.parse().or_else(|_| format!("{text}Z").parse());
    read.map_err(|_| Refusal::of_field(name, "it is no time such as `2026-03-01T12:00`"))
}

fn form(desk: &Desk, links: &Links, fields: &Fields) -> Markup {
    let value = |name| fields.get(name).ok().flatten();
    html! {
        form.filter method="get" action=(links.to("events")) role="search" aria-label="Events" {
            label { "Type " input type="text" name="type" list="types" value=[value("type")] autocomplete="off" spellcheck="false"; }
            datalist id="types" {
                @for event in desk.model.of_kind(NodeKind::Event) { option value=(event.id.name) {} }
            }
            label { "Tag, such as account:7 " input type="text" name="tag" value=[value("tag")] autocomplete="off" spellcheck="false"; }
            label { "Actor " input type="text" name="actor" value=[value("actor")] autocomplete="off" spellcheck="false"; }
            label { "From (UTC) " input type="text" name="from" value=[value("from")] placeholder="2026-03-01T12:00" autocomplete="off"; }
            label { "Until (UTC) " input type="text" name="until" value=[value("until")] placeholder="2026-03-01T13:00" autocomplete="off"; }
            label { "After position " input type="number" name="after" min="0" value=[value("after")]; }
            button { "Show" }
        }
    }
}

const COLUMNS: [Column; 5] = [
    Column::Number("Position"),
    Column::Text("Event"),
    Column::Text("Tags"),
    Column::Text("Time"),
    Column::Text("Actor"),
];

/// Events with a preview of their data.
pub(crate) fn table(links: &Links, events: &[Arc<Recorded>]) -> Markup {
    let rows = html! {
        @for event in events {
            tr role="row" {
                th.number role="rowheader" scope="row" { (reference(links, event.position)) }
                td role="cell" data-label="Event" { (named(event)) }
                td role="cell" data-label="Tags" { (tags(links, event)) }
                td role="cell" data-label="Time" { (time(event.meta.time)) }
                td role="cell" data-label="Actor" { (event.meta.actor.as_deref().unwrap_or("–")) }
            }
        }
    };
    cards(&caption("Events in the order of the log"), &COLUMNS, &rows)
}

/// The type of an event with the beginning of its data.
pub(crate) fn named(event: &Recorded) -> Markup {
    html! {
        span { (event.data.event_type.as_str()) span.faint { " v" (event.data.version) } }
        code.preview { (preview(&event.data.payload)) }
    }
}

/// A position as a link to its event.
pub(crate) fn reference(links: &Links, position: Position) -> Markup {
    html! { a href=(links.with("event", &[("position", &position.to_string())])) { (number(position.get())) } }
}

/// The tags of an event, each as a link to all events that have it.
pub(crate) fn tags(links: &Links, event: &Recorded) -> Markup {
    html! {
        ul.tags {
            @for tag in event.data.tags.iter() {
                li { a href=(links.with("events", &[("tag", tag.as_str())])) { (tag.as_str()) } }
            }
        }
    }
}

/// The beginning of JSON.
pub(crate) fn preview(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    let mut characters = text.chars();
    let mut preview: String = characters.by_ref().take(MAX_PREVIEW).collect();
    if characters.next().is_some() {
        preview.push('…');
    }
    preview
}

/// The event at a position, if there is one and the visitor may see it.
pub(crate) async fn event_at(
    dispatcher: &Dispatcher,
    visit: &Visit,
    position: Position,
) -> Result<Option<Arc<Recorded>>, QueryError> {
    let mut history = dispatcher.events(EventQuery::All);
    if let Some(actor) = &visit.actor {
        history = history.actor(actor.clone());
    }
    let history = history.after(position.before()).up_to(position);
    let mut events = history.stream()?;
    Ok(events.next().await.map_err(Failure::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_forms() {
        let read = |text| read_time("from", text).ok().map(|it| it.to_string());
        let noon = Some("2026-03-01T12:00:00Z".to_owned());
        assert_eq!(read("2026-03-01T12:00"), noon);
        assert_eq!(read(" 2026-03-01T12:00:00Z "), noon);
        assert_eq!(read("2026-03-01T14:00:00+02:00"), noon);
        assert_eq!(read("yesterday"), None);
    }

    #[test]
    fn long_data_is_cut() {
        assert_eq!(preview(b"{\"a\":1}"), "{\"a\":1}");
        let long = preview("ä".repeat(MAX_PREVIEW + 1).as_bytes());
        assert_eq!(long.chars().count(), MAX_PREVIEW + 1);
        assert!(long.ends_with('…'));
    }
}
