use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use cqrs_core::app::{NodeKind, PendingEffect, Process, ProcessCall};
use maud::{Markup, html};
use serde_json::Value;

use crate::desk::Desk;
use crate::events::{reference, table};
use crate::layout::{Chapter, layout};
use crate::refusal::Refusal;
use crate::table::{Column, caption, cards};
use crate::visit::{Links, Visit};
use crate::words::{count, json, number, time};

/// Number of instances of a page.
const PAGE: usize = 25;

/// Maximum number of events of an instance's history.
const MAX_EVENTS: usize = 200;

/// An instance with its id.
type Instance = (String, Process<Value>);

/// `GET /processes`: the process managers, with a page of the instances of one of them.
pub(crate) async fn answer(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let managers = desk.model.of_kind(NodeKind::ProcessManager);
    let names: Vec<_> = managers.map(|node| node.id.name.as_str()).collect();
    let chosen = visit.fields.get("name")?.or(names.first().copied());
    let body = html! {
        @if names.is_empty() { p { "This program has no process managers." } }
        @if names.len() > 1 {
            nav aria-label="Process managers" {
                ul {
                    @for name in &names {
                        li { a href=(visit.links.with("processes", &[("name", name)])) aria-current=[(Some(*name) == chosen).then_some("true")] { (name) } }
                    }
                }
            }
        }
        @if let Some(name) = chosen { (instances(&desk, &visit, name).await?) }
    };
    let page = layout(
        &desk,
        &visit.links,
        Chapter::Processes,
        "Process managers",
        body,
    );
    Ok(Html(page.into_string()))
}

async fn instances(desk: &Desk, visit: &Visit, name: &str) -> Result<Markup, Refusal> {
    let after = visit.fields.get("after")?;
    let actor = visit.actor.as_ref();
    let found = desk.dispatcher.process_ids(name, after, actor).await;
    let mut ids = found.map_err(|error| Refusal::of_query(&error))?;
    let has_more = ids.len() > PAGE;
    ids.truncate(PAGE);
    let mut all: Vec<Instance> = Vec::with_capacity(ids.len());
    for id in &ids {
        let looked = call(desk, visit, name, id)?.await;
        let instance = looked.map_err(|error| Refusal::of_query(&error))?;
        // One that was deleted meanwhile is left out.
        all.extend(instance.map(|instance| (id.clone(), instance)));
    }
    Ok(html! {
        h2 { (name) }
        form.filter method="get" action=(visit.links.to("process")) role="search" aria-label="Instance" {
            input type="hidden" name="name" value=(name);
            label { "Id of an instance " input type="text" name="id" required autocomplete="off" spellcheck="false"; }
            button { "Show" }
        }
        @if all.is_empty() { p.faint { "No instances." } } @else { (list(&visit.links, name, &all)) }
        @if has_more && let Some(last) = ids.last() {
            div.buttons { a.button href=(visit.links.with("processes", &[("name", name), ("after", last)])) { "More" } }
        }
    })
}

fn call<'d>(
    desk: &'d Desk,
    visit: &Visit,
    name: &str,
    id: &str,
) -> Result<ProcessCall<'d, Value>, Refusal> {
    let named = desk.dispatcher.process_json(name, id);
    let call = named.map_err(|error| Refusal::of_query(&error))?;
    Ok(match &visit.actor {
        Some(actor) => call.actor(actor.clone()),
        None => call,
    })
}

const INSTANCES: [Column; 5] = [
    Column::Text("Id"),
    Column::Text("Progress"),
    Column::Number("Position"),
    Column::Number("Commands to send"),
    Column::Text("Next deadline"),
];

fn list(links: &Links, name: &str, instances: &[Instance]) -> Markup {
    let rows = html! {
        @for (id, instance) in instances {
            tr role="row" {
                th role="rowheader" scope="row" {
                    a href=(links.with("process", &[("name", name), ("id", id)])) { (id) }
                }
                td role="cell" data-label="Progress" { (progress(instance)) }
                td.number role="cell" data-label="Position" { (reference(links, instance.position)) }
                td.number role="cell" data-label="Commands to send" { (instance.commands.len()) }
                td role="cell" data-label="Next deadline" {
                    @match instance.deadlines.iter().filter_map(|it| it.due).min() {
                        Some(due) => (time(due)),
                        None => "–",
                    }
                }
            }
        }
    };
    cards(
        &caption("Instances in the order of their ids"),
        &INSTANCES,
        &rows,
    )
}

fn progress(instance: &Process<Value>) -> Markup {
    html! {
        @if instance.ended.is_some() {
            span.badge { "ended" }
        } @else {
            span.badge.ok { "running" }
        }
    }
}

/// `GET /process?name=..&id=..`: an instance with its state, its commands and its deadlines.
pub(crate) async fn one(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let (name, id) = (visit.fields.text("name")?, visit.fields.text("id")?);
    let refused = |error| Refusal::of_query(&error);
    let instance = call(&desk, &visit, name, id)?.await.map_err(refused)?;
    let history = call(&desk, &visit, name, id)?.history();
    let mut stream = history.stream().map_err(refused)?;
    let mut events = Vec::new();
    while events.len() <= MAX_EVENTS
        && let Some(event) = stream.next().await?
    {
        events.push(event);
    }
    if instance.is_none() && events.is_empty() {
        let text = format!("There is no instance of `{name}` with the id `{id}`.");
        return Err(Refusal::new(StatusCode::NOT_FOUND, text));
    }
    let has_more = events.len() > MAX_EVENTS;
    events.truncate(MAX_EVENTS);
    let body = html! {
        @match &instance {
            Some(instance) => (shown(&visit, instance)),
            None => p.note.warn { "It has not begun, or was deleted some time after its end." },
        }
        section aria-labelledby="history-title" {
            h2 id="history-title" { "History" @if has_more { ": the first " (count(MAX_EVENTS as u64, "event")) } }
            (table(&visit.links, &events))
        }
    };
    let title = format!("{name} {id}");
    let page = layout(&desk, &visit.links, Chapter::Processes, &title, body);
    Ok(Html(page.into_string()))
}

fn shown(visit: &Visit, instance: &Process<Value>) -> Markup {
    html! {
        dl.facts {
            div { dt { "Progress" } dd { (progress(instance)) } }
            div { dt { "Began with" } dd { "the event at " (reference(&visit.links, instance.started)) } }
            div { dt { "Has handled" } dd { "events up to " (reference(&visit.links, instance.position)) } }
            @if let Some((position, at)) = instance.ended {
                div { dt { "Ended" } dd { "at " (reference(&visit.links, position)) ", " (time(at)) } }
            }
            @if instance.late > 0 { div { dt { "Late events" } dd { (number(instance.late)) } } }
        }
        (effects(visit, "Commands to send", &instance.commands))
        (effects(visit, "Deadlines", &instance.deadlines))
        section aria-labelledby="state-title" {
            h2 id="state-title" { "State" }
            (json(&instance.state))
        }
    }
}

const EFFECTS: [Column; 4] = [
    Column::Text("Name"),
    Column::Text("Due"),
    Column::Number("Because of"),
    Column::Text("Data"),
];

fn effects(visit: &Visit, title: &str, effects: &[PendingEffect]) -> Markup {
    let rows = html! {
        @for effect in effects {
            tr role="row" {
                th role="rowheader" scope="row" { (effect.name) }
                td role="cell" data-label="Due" { @match effect.due { Some(due) => (time(due)), None => "–" } }
                td.number role="cell" data-label="Because of" { (reference(&visit.links, effect.cause)) }
                td role="cell" data-label="Data" { code { (effect.json) } }
            }
        }
    };
    html! {
        @if !effects.is_empty() {
            h2 { (title) }
            (cards(&caption(title), &EFFECTS, &rows))
        }
    }
}
