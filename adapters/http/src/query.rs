use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use cqrs_core::app::{Named, QueryCall};
use cqrs_core::error::QueryErrorKind;
use cqrs_core::{Actor, QueryError};
use serde_json::Value;
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_128;

use crate::command::unreadable_name;
use crate::gateway::Gateway;
use crate::headers::{Place, min_positions};
use crate::problem::Problem;
use crate::query_string::{FieldTypes, QueryString};
use crate::{failure, request_body, watch};

/// The method of safe requests with a body (`draft-ietf-httpbis-safe-method-w-body`).
const QUERY: &[u8] = b"QUERY";

/// A query that was asked by somebody.
pub(crate) struct Question {
    pub(crate) name: String,
    pub(crate) fields: Fields,
    pub(crate) actor: Option<Actor>,
    pub(crate) places: Vec<Place>,
}

/// The fields of a query.
pub(crate) enum Fields {
    Json(Bytes),
    QueryString(QueryString),
}

/// `GET`, `POST` and `QUERY /queries/{name}`: answers a query, or watches it.
pub(crate) async fn answer(
    State(gateway): State<Arc<Gateway>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let method = request.method();
    let is_get = matches!(*method, Method::GET | Method::HEAD);
    if !is_get && *method != Method::POST && method.as_str().as_bytes() != QUERY {
        let detail = "a query is asked with `GET`, `POST` or `QUERY`";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Problem::new(status, "method", detail).allow("GET, HEAD, POST, QUERY"));
    }
    let is_watch = accepts_events(request.headers());
    let permit = if is_watch {
        &gateway.watches
    } else {
        &gateway.requests
    }
    .take()?;
    let Path(name) = name.map_err(|_| unreadable_name("query"))?;
    let (head, body) = request.into_parts();
    let actor = gateway.actor(&head)?;
    let places = min_positions(&head.headers)?;
    let fields = if is_get {
        Fields::QueryString(gateway.query_string(&name, &head))
    } else {
        let limits = (gateway.options.max_body, gateway.options.body_timeout);
        Fields::Json(request_body::json(&head.headers, body, limits).await?)
    };
    let question = Question {
        name,
        fields,
        actor,
        places,
    };
    if is_watch {
        return watch::stream(&gateway, question, &head, permit);
    }
    let limit = gateway.options.timeout;
    let answered = timeout(limit, gateway.ask(question)).await;
    let Ok(answered) = answered else {
        let detail = format!("the query was not answered within {limit:?}");
        return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "late", detail));
    };
    let answer = answered.map_err(|error| failure::of_query(&error))?;
    Ok(respond(&answer, &head))
}

impl Gateway {
    /// The fields in the query string. Those of a query that is not known have no types, and nobody reads them.
    fn query_string(&self, name: &str, head: &Parts) -> QueryString {
        let text = head.uri.query().unwrap_or_default();
        match self.fields(name) {
            Some(types) => QueryString::read(text, types),
            None => QueryString::read("", &FieldTypes::of(&[])),
        }
    }

    async fn ask(&self, mut question: Question) -> Result<Value, QueryError> {
        loop {
            let json = question.fields.json();
            let call = self.dispatcher.query_json(&question.name, &json);
            let call = question.places.iter().fold(call, wait_for);
            let call = match &question.actor {
                Some(actor) => call.actor(actor.clone()),
                None => call,
            };
            match call.await {
                Err(error) if question.fields.may_be_text(&error) => {}
                answered => return answered,
            }
        }
    }
}

impl Fields {
    pub(crate) fn json(&self) -> Bytes {
        match self {
            Self::Json(json) => json.clone(),
            Self::QueryString(query) => query.json().into(),
        }
    }

    /// Whether a field was refused that may be a text instead of a number, and is one from now on. It was refused before
    /// the query reached its handler.
    pub(crate) fn may_be_text(&mut self, error: &QueryError) -> bool {
        let Self::QueryString(query) = self else {
            return false;
        };
        match error.kind() {
            QueryErrorKind::Invalid(invalid) => {
                let path = invalid.field.as_deref();
                path.is_some_and(|path| query.read_as_text(path))
            }
            _ => false,
        }
    }
}

fn wait_for<'d>(call: QueryCall<'d, Named<'d>>, place: &Place) -> QueryCall<'d, Named<'d>> {
    match place {
        Place::Bookmark(bookmark) => call.after(bookmark),
        Place::Position(position) => call.after_position(*position),
    }
}

/// Whether the sender wants all answers to come.
fn accepts_events(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter();
    accepted.any(|value| {
        let text = value.to_str().unwrap_or_default();
        text.split([',', ';'])
            .any(|it| it.trim().eq_ignore_ascii_case("text/event-stream"))
    })
}

/// The answer, or that it is the one that the sender has.
fn respond(answer: &Value, head: &Parts) -> Response {
    let body = answer.to_string();
    let tag = format!("\"{:032x}\"", xxh3_128(body.as_bytes()));
    let known = head.headers.get_all(IF_NONE_MATCH).iter();
    let is_known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|it| it.trim().trim_start_matches("W/"))
        .any(|it| it == tag || it == "*");
    let mut response = if is_known && head.method != Method::POST {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], body).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}
