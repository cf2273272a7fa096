use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{Method, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cqrs_core::app::EventFeed;
use cqrs_core::store::{CustomMetadata, EventPage, Recorded, Tag};
use futures_util::stream::unfold;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::event_filter::EventFilter;
use crate::failure;
use crate::gateway::Gateway;
use crate::headers::last_event_id;
use crate::problem::Problem;
use crate::stream_sender::{StreamSender, StreamSource};
use crate::watch::{KEEP_ALIVE, problem_event};

/// Number of events that are read at once. They are sent before the next ones are read.
const PAGE: usize = 100;

/// The log as it is sent over one connection.
struct Sent {
    sender: StreamSender,
    feed: EventFeed,
    /// The events that were read and not sent yet.
    page: VecDeque<Event>,
    is_over: bool,
    /// It counts as one of the watches until it is over.
    _permit: OwnedSemaphorePermit,
}

/// An event as its readers get it.
#[derive(Serialize)]
struct SentEvent<'e> {
    position: u64,
    #[serde(rename = "type")]
    event_type: &'e str,
    version: u32,
    tags: Vec<&'e str>,
    data: Value,
    id: String,
    time: String,
    actor: Option<&'e str>,
    command: String,
    correlation: String,
    causation: String,
    metadata: &'e CustomMetadata,
}

/// `GET /events`: the events of the log that match, and those that come, as server-sent events.
pub(crate) async fn answer(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Result<Response, Problem> {
    if request.method() != Method::GET {
        let detail = "the log is read with `GET`";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Problem::new(status, "method", detail).allow("GET"));
    }
    let (head, _) = request.into_parts();
    // Nobody reads the log of a server that has no permission for it, whoever it is.
    gateway.admit(&head).await?;
    let dispatcher = &gateway.dispatcher;
    if dispatcher.log_permission().is_none() {
        tracing::error!(
            "`log_permission` is missing on the builder: the log is not served without one"
        );
        let detail = "the log of this server is not open to readers";
        return Err(Problem::new(StatusCode::FORBIDDEN, "denied", detail));
    }
    // Before the first page, so that a reader who may not read gets a status and no stream.
    let sender = StreamSender::admit(&gateway, head, StreamSource::Log).await?;
    let head = sender.head();
    let filter = EventFilter::read(head.uri.query().unwrap_or_default())?;
    let after = last_event_id(&head.headers)?.or(filter.after);
    let permit = gateway.watches.take()?;
    let mut feed = dispatcher.follow(filter.query);
    if let Some(position) = after {
        feed = feed.after(position);
    }
    if let Some(actor) = filter.actor {
        feed = feed.by(actor);
    }
    if let Some(time) = filter.since {
        feed = feed.since(time);
    }
    if let Some(actor) = sender.actor() {
        feed = feed.actor(actor.clone());
    }
    let sent = Sent {
        sender,
        feed,
        page: VecDeque::new(),
        is_over: false,
        _permit: permit,
    };
    let events = unfold(sent, |mut sent| async {
        let event = sent.next().await?;
        Some((Ok::<_, Infallible>(event), sent))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([(CACHE_CONTROL, "no-store")], stream).into_response())
}

impl Sent {
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.page.pop_front() {
            return Some(event);
        }
        if self.is_over {
            return None;
        }
        let page = self.sender.next(self.feed.next(PAGE)).await;
        match page.and_then(|page| page.map_err(|error| failure::of_query(&error))) {
            Ok(page) => self.page = events(&page),
            Err(problem) => {
                self.is_over = true;
                return Some(problem_event(&problem));
            }
        }
        self.page.pop_front()
    }
}

/// The events of a page, and the position that it has reached, at which a reader goes on whose events are rare.
fn events(page: &EventPage) -> VecDeque<Event> {
    let reached = page.next.unwrap_or(page.as_of);
    let mut events: VecDeque<_> = page.events.iter().map(|event| sent(event)).collect();
    if page.events.last().map(|event| event.position) != Some(reached) {
        // Without data, it is no event for the reader.
        events.push_back(Event::default().id(reached.to_string()));
    }
    events
}

fn sent(
    Recorded {
        position,
        data,
        meta,
    }: &Recorded,
) -> Event {
    let event = SentEvent {
        position: position.get(),
        event_type: data.event_type.as_str(),
        version: data.version,
        tags: data.tags.iter().map(Tag::as_str).collect(),
        data: data.json(),
        id: meta.id.to_string(),
        time: meta.time.to_string(),
        actor: meta.actor.as_deref(),
        command: meta.command.to_string(),
        correlation: meta.correlation.to_string(),
        causation: meta.causation.to_string(),
        metadata: &meta.custom,
    };
    let json = serde_json::to_string(&event).unwrap_or_default();
    Event::default()
        .event("event")
        .id(position.to_string())
        .data(json)
}
