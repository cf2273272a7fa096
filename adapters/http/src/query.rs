use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_128;

use crate::gateway::{Gateway, name_in};
use crate::headers::min_positions;
use crate::problem::Problem;
use crate::query_string::QueryString;
use crate::question::{Fields, Question};
use crate::stream_sender::{StreamSender, StreamSource};
use crate::{failure, request_body, watch};

/// The method of safe requests with a body (`draft-ietf-httpbis-safe-method-w-body`).
const QUERY: &[u8] = b"QUERY";

/// `GET`, `POST` and `QUERY /queries/{name}`: answers a query, or watches it.
pub(crate) async fn answer(
    State(gateway): State<Arc<Gateway>>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
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
    let name = name_in(parameters).ok_or_else(|| Problem::unreadable_name("query"))?;
    let (head, body) = request.into_parts();
    let actor = gateway.admit(&head).await?;
    let places = min_positions(&head.headers)?;
    let fields = if is_get {
        let text = head.uri.query().unwrap_or_default();
        Fields::QueryString(QueryString::read(text, gateway.fields(&name)))
    } else {
        Fields::Json(request_body::json(&head.headers, body, &gateway.limits).await?)
    };
    let question = Question::new(name, fields, actor, places);
    // Not while the body comes, so that slow senders do not keep others out.
    if is_watch {
        let permit = gateway.watches.take()?;
        let source = StreamSource::Query(question.name.clone());
        let sender = StreamSender::admit(&gateway, head, source).await?;
        return watch::stream(&gateway, question, sender, permit);
    }
    let _permit = gateway.requests.take()?;
    let limit = gateway.limits.timeout;
    let Ok(answered) = timeout(limit, question.ask(&gateway)).await else {
        let detail = format!("the query was not answered within {limit:?}");
        return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "late", detail));
    };
    let answer = answered.map_err(|error| failure::of_query(&error))?;
    Ok(respond(&answer, &head))
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
