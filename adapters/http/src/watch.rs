use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::CACHE_CONTROL;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cqrs_core::QueryError;
use cqrs_core::app::{Answer, Watch};
use cqrs_core::error::QueryErrorKind;
use futures_util::stream::unfold;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::failure;
use crate::gateway::Gateway;
use crate::headers::{Place, last_event_id};
use crate::problem::Problem;
use crate::question::Question;
use crate::stream_sender::StreamSender;

/// Time between two comments that keep the connection alive.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A query that is watched over one connection.
struct Watched {
    gateway: Arc<Gateway>,
    sender: StreamSender,
    asked: Asked,
    is_over: bool,
    /// It counts as one of the watches until it is over.
    _permit: OwnedSemaphorePermit,
}

/// The query itself.
struct Asked {
    question: Question,
    watch: Watch<Value>,
}

/// All answers to a query, as server-sent events: each with its position as id, by which the sender goes on later. An
/// error is an event of its own, with the problem. That the sender may not have the next answer is the last one.
pub(crate) fn stream(
    gateway: &Arc<Gateway>,
    mut question: Question,
    sender: StreamSender,
    permit: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    let last = last_event_id(&sender.head().headers)?;
    question.places.extend(last.map(Place::Position));
    let watch = question.watch(gateway);
    let watched = Watched {
        gateway: gateway.clone(),
        sender,
        asked: Asked { question, watch },
        is_over: false,
        _permit: permit,
    };
    let events = unfold(watched, |mut watched| async {
        let event = watched.next().await?;
        Some((Ok::<_, Infallible>(event), watched))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([(CACHE_CONTROL, "no-store")], stream).into_response())
}

impl Question {
    fn watch(&self, gateway: &Gateway) -> Watch<Value> {
        let json = self.fields.json();
        let mut watch = gateway.dispatcher.watch_json(&self.name, &json);
        for place in &self.places {
            watch = match place {
                Place::Bookmark(bookmark) => watch.after(bookmark),
                Place::Position(position) => watch.after_position(*position),
            };
        }
        match &self.actor {
            Some(actor) => watch.actor(actor.clone()),
            None => watch,
        }
    }
}

impl Watched {
    async fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        let answer = self.asked.next(&self.gateway);
        match self.sender.next(answer).await {
            Ok(None) => None,
            Ok(Some(Ok(answer))) => Some(event(&answer)),
            Ok(Some(Err(error))) => {
                self.is_over = matches!(error.kind(), QueryErrorKind::Denied(_));
                Some(problem_event(&failure::of_query(&error)))
            }
            Err(problem) => {
                self.is_over = true;
                Some(problem_event(&problem))
            }
        }
    }
}

impl Asked {
    async fn next(&mut self, gateway: &Gateway) -> Option<Result<Answer<Value>, QueryError>> {
        loop {
            let answer = self.watch.next().await?;
            match answer {
                Err(error) => match self.question.read_otherwise(error) {
                    Ok(()) => self.watch = self.question.watch(gateway),
                    Err(error) => return Some(Err(error)),
                },
                answer => return Some(answer),
            }
        }
    }
}

fn event(answer: &Answer<Value>) -> Event {
    Event::default()
        .event("answer")
        .id(answer.position.to_string())
        .data(answer.output.to_string())
}

/// A problem within a stream.
pub(crate) fn problem_event(problem: &Problem) -> Event {
    let json = serde_json::to_string(problem).unwrap_or_default();
    Event::default().event("problem").data(json)
}
