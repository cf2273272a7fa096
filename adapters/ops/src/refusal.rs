use std::any::Any;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use cqrs_core::QueryError;
use cqrs_core::error::{OperationError, QueryErrorKind};
use cqrs_core::store::StoreError;

/// The reason that a request is not answered as it was meant. The frame around all pages makes a page of it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    challenge: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            challenge: None,
        }
    }

    /// Of a request with a field that cannot be.
    pub(crate) fn of_field(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("`{name}`: {reason}"))
    }

    pub(crate) fn challenge(self, challenge: &'static str) -> Self {
        Self {
            challenge: Some(challenge),
            ..self
        }
    }

    pub(crate) fn of_query(error: &QueryError) -> Self {
        let status = match error.kind() {
            QueryErrorKind::Denied(_) => StatusCode::FORBIDDEN,
            QueryErrorKind::Unknown(_) => StatusCode::NOT_FOUND,
            QueryErrorKind::Invalid(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }

    /// The title of its page.
    pub(crate) fn title(&self) -> &'static str {
        match self.status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::UNAUTHORIZED => "Unknown sender",
            StatusCode::FORBIDDEN => "Not permitted",
            StatusCode::CONFLICT => "Not done",
            StatusCode::SERVICE_UNAVAILABLE => "Not available",
            StatusCode::GATEWAY_TIMEOUT => "No answer in time",
            status if status.is_client_error() => "Not understood",
            _ => "Failed",
        }
    }
}

impl From<OperationError> for Refusal {
    fn from(error: OperationError) -> Self {
        let status = match error {
            OperationError::Unknown { .. } | OperationError::UnknownVersion { .. } => {
                StatusCode::NOT_FOUND
            }
            OperationError::Store(_) | OperationError::ShutDown => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The answer to a request with the wrong method.
pub(crate) async fn wrong_method() -> Refusal {
    let text = "Pages are read with `GET`, and changes are sent by their forms.";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, text)
}

/// The answer to a request during which something panicked. The connection stays.
pub(crate) fn of_panic(panic: Box<dyn Any + Send>) -> Response {
    let formatted = panic.downcast_ref::<String>().map(String::as_str);
    let text = formatted.or_else(|| panic.downcast_ref::<&str>().copied());
    let message = text.unwrap_or("a value that is no text");
    tracing::error!(panic = message, "a request panicked");
    let text = "The server failed: the reason is in its log.";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}
