use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use cqrs_core::store::{CustomMetadata, EventQuery};
use cqrs_core::{Position, Recorded, Uuid};
use maud::{Markup, html};

use crate::aggregates;
use crate::desk::Desk;
use crate::events::{event_at, reference, table, tags};
use crate::layout::{Chapter, layout};
use crate::refusal::Refusal;
use crate::visit::Visit;
use crate::words::{json, number, time};

/// Number of positions before and after an event among which its causes and effects are looked for.
const REACH: u64 = 2_000;

/// Maximum number of events of a list.
const MAX_ROWS: usize = 50;

/// The events around one that have to do with it.
#[derive(Default)]
struct Relatives {
    cause: Option<Arc<Recorded>>,
    /// Of the same command.
    siblings: Vec<Arc<Recorded>>,
    effects: Vec<Arc<Recorded>>,
}

/// `GET /event?position=..`: an event with its data, its origin and what it has caused.
pub(crate) async fn answer(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let position = Position::new(visit.fields.number("position")?);
    let found = event_at(&desk.dispatcher, &visit, position).await;
    let Some(event) = found.map_err(|error| Refusal::of_query(&error))? else {
        let text = format!("There is no event at position {}.", number(position.get()));
        return Err(Refusal::new(StatusCode::NOT_FOUND, text));
    };
    let relatives = relatives(&desk, &visit, &event).await?;
    let body = html! {
        (origin(&desk, &visit, &event, relatives.cause.as_deref()))
        section aria-labelledby="data-title" {
            h2 id="data-title" { "Data" }
            (json(&event.data.json()))
        }
        @if !relatives.siblings.is_empty() {
            section aria-labelledby="siblings-title" {
                h2 id="siblings-title" { "Of the same command" }
                (table(&visit.links, &relatives.siblings))
            }
        }
        section aria-labelledby="effects-title" {
            h2 id="effects-title" { "What it caused" }
            @if relatives.effects.is_empty() {
                p.faint { "No event among the next " (number(REACH)) " positions." }
            } @else {
                (table(&visit.links, &relatives.effects))
            }
        }
        nav.buttons aria-label="Events beside this one" {
            @if position.get() > 1 { a.button href=(beside(&visit, position.get() - 1)) { "Previous position" } }
            a.button href=(beside(&visit, position.get() + 1)) { "Next position" }
        }
    };
    let title = format!(
        "{} at {}",
        event.data.event_type.as_str(),
        number(position.get())
    );
    let page = layout(&desk, &visit.links, Chapter::Events, &title, body);
    Ok(Html(page.into_string()))
}

fn beside(visit: &Visit, position: u64) -> String {
    visit
        .links
        .with("event", &[("position", &position.to_string())])
}

fn origin(desk: &Desk, visit: &Visit, event: &Recorded, cause: Option<&Recorded>) -> Markup {
    let meta = &event.meta;
    html! {
        dl.facts {
            div { dt { "Type" } dd { (event.data.event_type.as_str()) ", version " (event.data.version) } }
            div { dt { "Tags" } dd { (tags(&visit.links, event)) } }
            div { dt { "State after it" } dd { (aggregates::of_event(desk, &visit.links, event)) } }
            div { dt { "Time" } dd { (time(meta.time)) } }
            div { dt { "Actor" } dd { (meta.actor.as_deref().unwrap_or("not named")) } }
            div { dt { "Caused by" } dd {
                @if let Some(cause) = cause {
                    (cause.data.event_type.as_str()) " at " (reference(&visit.links, cause.position))
                } @else if meta.causation == meta.command.as_uuid() {
                    "a command from outside"
                } @else {
                    "event " code { (meta.causation) } ", which is not among the " (number(REACH)) " positions before"
                }
            } }
            div { dt { "Event id" } dd { code { (meta.id) } } }
            div { dt { "Command id" } dd { code { (meta.command) } } }
            div { dt { "Correlation" } dd { code { (meta.correlation) } } }
            @if !meta.custom.is_empty() {
                div { dt { "Custom metadata" } dd { (custom_metadata(&meta.custom)) } }
            }
        }
    }
}

/// Keys with their values, a line for each.
fn custom_metadata(metadata: &CustomMetadata) -> Markup {
    html! {
        ul.tags {
            @for (key, value) in metadata.iter() { li { code { (key) } ": " (value) } }
        }
    }
}

/// Looks for the cause and the effects of an event among those around it.
async fn relatives(desk: &Desk, visit: &Visit, event: &Recorded) -> Result<Relatives, Refusal> {
    let at = event.position.get();
    let mut history = desk.dispatcher.events(EventQuery::All);
    if let Some(actor) = &visit.actor {
        history = history.actor(actor.clone());
    }
    let history = history
        .after(Position::new(at.saturating_sub(REACH + 1)))
        .up_to(Position::new(at.saturating_add(REACH)));
    let mut stream = history
        .stream()
        .map_err(|error| Refusal::of_query(&error))?;
    let own: Uuid = event.meta.id.as_uuid();
    let mut found = Relatives::default();
    while let Some(other) = stream.next().await? {
        if other.position == event.position {
            continue;
        }
        if other.meta.id.as_uuid() == event.meta.causation {
            found.cause = Some(other);
        } else if other.meta.command == event.meta.command {
            found.siblings.push(other);
        } else if other.meta.causation == own && found.effects.len() < MAX_ROWS {
            found.effects.push(other);
        }
    }
    found.siblings.truncate(MAX_ROWS);
    Ok(found)
}
