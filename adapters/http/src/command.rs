use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::gateway::{Gateway, name_in};
use crate::headers::{LOG_POSITION, command_id, unchanged_since};
use crate::problem::Problem;
use crate::{failure, request_body};

/// `POST /commands/{name}`: sends a command, and answers with its receipt.
pub(crate) async fn answer(
    State(gateway): State<Arc<Gateway>>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Result<Response, Problem> {
    if request.method() != Method::POST {
        let detail = "a command is sent with `POST`";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Problem::new(status, "method", detail).allow("POST"));
    }
    let name = name_in(parameters).ok_or_else(|| Problem::unreadable_name("command"))?;
    let (head, body) = request.into_parts();
    let actor = gateway.admit(&head).await?;
    let metadata = gateway.metadata(&head, actor.as_ref());
    let given_id = command_id(&head.headers, actor.as_ref())?;
    let unchanged_since = unchanged_since(&head.headers)?;
    let limits = &gateway.limits;
    let body = request_body::json(&head.headers, body, limits).await?;
    // Not while the body comes, so that slow senders do not keep others out.
    let _permit = gateway.requests.take()?;
    let _running = given_id.map(|id| gateway.running.begin(id)).transpose()?;
    let mut call = gateway.dispatcher.execute_json(&name, &body);
    call = call.timeout(limits.timeout).with_metadata(metadata);
    if let Some(id) = given_id {
        call = call.id(id);
    }
    if let Some(position) = unchanged_since {
        call = call.unchanged_since(position);
    }
    if let Some(actor) = actor {
        call = call.actor(actor);
    }
    let receipt = call
        .await
        .map_err(|error| failure::of_command(error, &name))?;
    let mut response = Json(receipt).into_response();
    let headers = response.headers_mut();
    if let Ok(bookmark) = HeaderValue::from_str(&receipt.bookmark().to_string()) {
        headers.insert(LOG_POSITION, bookmark);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
