use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use cqrs_core::app::{Node, NodeKind, StateCall};
use cqrs_core::store::{EventLogExt, Tag};
use cqrs_core::{Position, Recorded};
use maud::{Markup, html};
use serde_json::Value;

use crate::desk::Desk;
use crate::difference::{Change, Difference, differences};
use crate::events::{named, preview, reference};
use crate::layout::{Chapter, layout};
use crate::refusal::Refusal;
use crate::table::{Column, caption, cards};
use crate::visit::{Links, Visit};
use crate::words::{block, count, json, number, time};

/// Number of events of a page.
const PAGE: usize = 25;

/// Maximum size of a state that is shown with its event, in bytes. A larger one is a page of its own.
const MAX_STATE: usize = 20_000;

/// Maximum number of differences of a list.
const MAX_DIFFERENCES: usize = 100;

/// What is said about a state that cannot be shown.
const HIDDEN: &str =
    "The state is not shown: its type does not derive `Serialize`, or it cannot be JSON.";

/// An event with the state after it.
type Step = (Arc<Recorded>, Option<Value>);

/// An aggregate that somebody wants to see.
struct Subject<'v> {
    node: &'v Node,
    ids: Vec<&'v str>,
}

/// `GET /aggregates`: the aggregates of the program, with a form for the id of one.
pub(crate) async fn answer(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let nodes = || desk.model.of_kind(NodeKind::Aggregate);
    let chosen = match visit.fields.get("name")? {
        Some(name) => Some(node(&desk, name)?),
        None => nodes().next(),
    };
    let body = html! {
        @if chosen.is_none() { p { "This program has no aggregates." } }
        @if nodes().count() > 1 {
            nav aria-label="Aggregates" {
                ul {
                    @for node in nodes() {
                        @let is_chosen = chosen.is_some_and(|it| it.id == node.id);
                        li { a href=(visit.links.with("aggregates", &[("name", &node.id.name)])) aria-current=[is_chosen.then_some("true")] { (node.id.name) } }
                    }
                }
            }
        }
        @if let Some(node) = chosen {
            h2 { (node.id.name) }
            @if !node.docs.is_empty() { p { (node.docs) } }
            form.filter method="get" action=(visit.links.to("aggregate")) role="search" aria-label="Aggregate" {
                input type="hidden" name="name" value=(node.id.name);
                @for (field, key) in fields(node) {
                    label { "Id of the " (key) " " input type="text" name=(field) required autocomplete="off" spellcheck="false"; }
                }
                button { "Show" }
            }
            p.faint { "Or by the tags of " a href=(visit.links.to("events")) { "events" } "." }
        }
    };
    let page = layout(&desk, &visit.links, Chapter::Aggregates, "Aggregates", body);
    Ok(Html(page.into_string()))
}

/// `GET /aggregate?name=..&id=..`: the life of an aggregate, event by event, with its state after each, at one position, and
/// the difference between two.
pub(crate) async fn one(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let subject = Subject::read(&desk, &visit)?;
    let head = desk.dispatcher.log().head().await?;
    let position = |name| Ok::<_, Refusal>(visit.fields.optional(name)?.map(Position::new));
    let after = position("after")?.unwrap_or(Position::START);
    let at = position("at")?.unwrap_or(head).min(head);
    let steps = subject.steps(&desk, &visit, after).await?;
    let state = subject.state(&desk, &visit, at).await?;
    if steps.rows.is_empty() && after == Position::START {
        let text = format!("There are no events of {}.", subject.title());
        return Err(Refusal::new(StatusCode::NOT_FOUND, text));
    }
    let between = match (position("from")?, position("to")?) {
        (None, None) => None,
        (from, to) => {
            let from = from.unwrap_or(Position::START).min(head);
            let to = to.unwrap_or(head).min(head);
            let before = subject.state(&desk, &visit, from).await?;
            Some((from, to, before, subject.state(&desk, &visit, to).await?))
        }
    };
    let body = html! {
        (subject.state_at(&visit.links, at, head, state.as_ref()))
        (subject.between(&visit.links, head, between.as_ref()))
        (subject.timeline(&visit.links, &steps))
    };
    let page = layout(
        &desk,
        &visit.links,
        Chapter::Aggregates,
        &subject.title(),
        body,
    );
    Ok(Html(page.into_string()))
}

/// A page of a timeline.
struct Steps {
    /// The position after which it begins.
    after: Position,
    /// The state before the first event.
    before: Option<Value>,
    rows: Vec<Step>,
    has_more: bool,
}

fn node<'d>(desk: &'d Desk, name: &str) -> Result<&'d Node, Refusal> {
    let found = desk.model.node(NodeKind::Aggregate, name);
    found.ok_or_else(|| {
        let text = format!("There is no aggregate `{name}`.");
        Refusal::new(StatusCode::NOT_FOUND, text)
    })
}

/// The fields for the ids of an aggregate, with the name of each id.
fn fields(node: &Node) -> impl Iterator<Item = (String, &'static str)> {
    let keys = node.ids.iter().copied().enumerate();
    keys.map(|(place, key)| match place {
        0 => ("id".to_owned(), key),
        _ => (format!("id{}", place + 1), key),
    })
}

/// The aggregates that the tags of an event name, each as a link to its state after the event.
pub(crate) fn of_event(desk: &Desk, links: &Links, event: &Recorded) -> Markup {
    let position = event.position.to_string();
    let named = |key: &'static str| {
        let tags = event.data.tags.iter();
        tags.filter(move |tag| tag.name() == key).map(Tag::id)
    };
    let mut all = Vec::new();
    for node in desk.model.of_kind(NodeKind::Aggregate) {
        if let &[key] = node.ids {
            // An event may concern several aggregates of a type.
            all.extend(named(key).map(|id| Subject {
                node,
                ids: vec![id],
            }));
            continue;
        }
        let ids: Option<Vec<_>> = node.ids.iter().map(|key| named(key).next()).collect();
        all.extend(ids.map(|ids| Subject { node, ids }));
    }
    html! {
        @if all.is_empty() { "–" }
        ul.tags {
            @for subject in &all {
                li { a href=(subject.address(links, &[("at", &position)])) { (subject.title()) } }
            }
        }
    }
}

impl<'v> Subject<'v> {
    fn read(desk: &'v Desk, visit: &'v Visit) -> Result<Self, Refusal> {
        let node = node(desk, visit.fields.text("name")?)?;
        let ids = fields(node).map(|(field, _)| visit.fields.text(&field));
        Ok(Self {
            node,
            ids: ids.collect::<Result<_, _>>()?,
        })
    }

    fn title(&self) -> String {
        format!("{} {}", self.node.id.name, self.ids.join(" "))
    }

    fn address(&self, links: &Links, further: &[(&str, &str)]) -> String {
        let fields: Vec<_> = fields(self.node).map(|(field, _)| field).collect();
        let ids = fields
            .iter()
            .map(String::as_str)
            .zip(self.ids.iter().copied());
        let mut all = vec![("name", &*self.node.id.name)];
        all.extend(ids.chain(further.iter().copied()));
        links.with("aggregate", &all)
    }

    /// The fields of a form about the aggregate.
    fn hidden(&self) -> Markup {
        html! {
            input type="hidden" name="name" value=(self.node.id.name);
            @for ((field, _), id) in fields(self.node).zip(&self.ids) {
                input type="hidden" name=(field) value=(id);
            }
        }
    }

    fn call<'d>(&self, desk: &'d Desk, visit: &Visit) -> Result<StateCall<'d, Value>, Refusal> {
        let named = desk.dispatcher.state_json(&self.node.id.name, &self.ids);
        let call = named.map_err(|error| Refusal::of_query(&error))?;
        Ok(match &visit.actor {
            Some(actor) => call.actor(actor.clone()),
            None => call,
        })
    }

    async fn state(
        &self,
        desk: &Desk,
        visit: &Visit,
        at: Position,
    ) -> Result<Option<Value>, Refusal> {
        let state = self.call(desk, visit)?.at(at).await;
        state.map_err(|error| Refusal::of_query(&error))
    }

    async fn steps(&self, desk: &Desk, visit: &Visit, after: Position) -> Result<Steps, Refusal> {
        let call = self.call(desk, visit)?;
        let timeline = call.timeline(after, PAGE + 1).await;
        let mut rows = timeline.map_err(|error| Refusal::of_query(&error))?;
        let has_more = rows.len() > PAGE;
        rows.truncate(PAGE);
        Ok(Steps {
            after,
            before: self.state(desk, visit, after).await?,
            rows,
            has_more,
        })
    }

    fn state_at(
        &self,
        links: &Links,
        at: Position,
        head: Position,
        state: Option<&Value>,
    ) -> Markup {
        html! {
            section aria-labelledby="state-title" {
                h2 id="state-title" { "State at position " (number(at.get())) @if at == head { ", the end of the log" } }
                form.filter method="get" action=(links.to("aggregate")) {
                    (self.hidden())
                    label { "Position " input type="number" name="at" required min="0" max=(head) value=(at); }
                    button { "Show the state" }
                }
                @match state {
                    Some(state) => (json(state)),
                    None => p.note { (HIDDEN) },
                }
            }
        }
    }

    fn between(
        &self,
        links: &Links,
        head: Position,
        between: Option<&(Position, Position, Option<Value>, Option<Value>)>,
    ) -> Markup {
        let (from, to) = match between {
            Some((from, to, ..)) => (Some(from), Some(to)),
            None => (None, None),
        };
        html! {
            section aria-labelledby="difference-title" {
                h2 id="difference-title" { "Difference between two positions" }
                form.filter method="get" action=(links.to("aggregate")) {
                    (self.hidden())
                    label { "From position " input type="number" name="from" required min="0" max=(head) value=[from]; }
                    label { "To position " input type="number" name="to" required min="0" max=(head) value=[to]; }
                    button { "Compare" }
                }
                @match between {
                    None => {}
                    Some((_, _, Some(before), Some(after))) => {
                        @let found = differences(before, after);
                        @if found.is_empty() { p.faint { "The state is the same." } } @else { (difference_table(&found)) }
                    }
                    Some(_) => p.note { (HIDDEN) },
                }
            }
        }
    }

    fn timeline(&self, links: &Links, steps: &Steps) -> Markup {
        let states = [&steps.before]
            .into_iter()
            .chain(steps.rows.iter().map(|(_, state)| state));
        let rows = html! {
            @for ((event, state), before) in steps.rows.iter().zip(states) {
                tr role="row" {
                    th.number role="rowheader" scope="row" { (reference(links, event.position)) }
                    td role="cell" data-label="Event" { (named(event)) }
                    td role="cell" data-label="Time" { (time(event.meta.time)) }
                    td role="cell" data-label="Actor" { (event.meta.actor.as_deref().unwrap_or("–")) }
                    td role="cell" data-label="State after it" { (self.step(links, event.position, before.as_ref(), state.as_ref())) }
                }
            }
        };
        let last = steps
            .rows
            .last()
            .map(|(event, _)| event.position.to_string());
        html! {
            section aria-labelledby="timeline-title" {
                h2 id="timeline-title" { "Timeline" }
                @if steps.rows.is_empty() {
                    p.faint { "No events after position " (number(steps.after.get())) "." }
                } @else {
                    (cards(&caption("Events in the order of the log, with the state after each"), &COLUMNS, &rows))
                }
                nav.buttons aria-label="Pages of the timeline" {
                    @if steps.after > Position::START {
                        a.button href=(self.address(links, &[])) { "From the first event" }
                    }
                    @if steps.has_more && let Some(last) = &last {
                        a.button href=(self.address(links, &[("after", last)])) { "Later" }
                    }
                }
            }
        }
    }

    /// What an event has changed, and the state after it.
    fn step(
        &self,
        links: &Links,
        position: Position,
        before: Option<&Value>,
        after: Option<&Value>,
    ) -> Markup {
        let (Some(before), Some(after)) = (before, after) else {
            return html! { "not shown" };
        };
        let found = differences(before, after);
        let text = format!("{after:#}");
        html! {
            details {
                summary { @if found.is_empty() { "unchanged" } @else { (count(found.len() as u64, "change")) } }
                (difference_list(&found))
                @if text.len() > MAX_STATE {
                    a href=(self.address(links, &[("at", &position.to_string())])) { "The state after it" }
                } @else {
                    (block(&text))
                }
            }
        }
    }
}

const COLUMNS: [Column; 5] = [
    Column::Number("Position"),
    Column::Text("Event"),
    Column::Text("Time"),
    Column::Text("Actor"),
    Column::Text("State after it"),
];

/// Differences in the order of their places, each as a line.
fn difference_list(found: &[Difference<'_>]) -> Markup {
    html! {
        @if !found.is_empty() {
            ul.differences {
                @for difference in found.iter().take(MAX_DIFFERENCES) {
                    li { code { (place(difference)) } " " (change(&difference.change)) }
                }
                @if found.len() > MAX_DIFFERENCES { li.faint { "and " (number((found.len() - MAX_DIFFERENCES) as u64)) " more" } }
            }
        }
    }
}

fn difference_table(found: &[Difference<'_>]) -> Markup {
    let total = found.len();
    html! {
        p.faint { (count(total as u64, "difference")) @if total > MAX_DIFFERENCES { "; the first " (MAX_DIFFERENCES) } }
        (difference_list(found))
    }
}

fn place<'d>(difference: &'d Difference<'_>) -> &'d str {
    match &*difference.place {
        "" => "the whole state",
        place => place,
    }
}

fn change(change: &Change<'_>) -> Markup {
    let short = |value: &Value| preview(value.to_string().as_bytes());
    html! {
        @match change {
            Change::Added(value) => { span.badge.ok { "added" } " " ins { code { (short(value)) } } }
            Change::Removed(value) => { span.badge.bad { "removed" } " " del { code { (short(value)) } } }
            Change::Reordered => { span.badge.busy { "changed" } " the order" }
            Change::Changed { from, to } => {
                span.badge.busy { "changed" } " " del { code { (short(from)) } } " → " ins { code { (short(to)) } }
            }
        }
    }
}
