use std::any::Any;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// The answer to a request during which something panicked that is no handler of the dispatcher, such as the function that
/// finds the actor. The connection stays.
pub(crate) fn answer(panic: Box<dyn Any + Send>) -> Response {
    let formatted = panic.downcast_ref::<String>().map(String::as_str);
    let text = formatted.or_else(|| panic.downcast_ref::<&str>().copied());
    let message = text.unwrap_or("a value that is no text");
    tracing::error!(panic = message, "a request panicked");
    let detail = "the server failed: the reason is in its log";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail).into_response()
}
