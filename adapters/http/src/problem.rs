use axum::Json;
use axum::http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::actor::Unauthenticated;
use crate::pointer::pointer;

/// The media type of a problem.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What the types of all problems begin with.
const TYPES: &str = "urn:cqrs:problem:";

/// The answer to a request that is refused or that failed: problem details of RFC 9457.
///
/// Its `type` is stable: `urn:cqrs:problem:` and one of the kinds in the guide, followed by the names of the command and of
/// the error's variant for a rejection by the domain. Whatever only operators may know is in the log of the server, and not here.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Details>);

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Details {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    /// The invalid fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<InvalidField>,
    /// The error of the domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<Value>,
    #[serde(skip)]
    headers: HeaderMap,
}

/// A field of the message that is not valid.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct InvalidField {
    /// A JSON pointer (RFC 6901), as a fragment.
    pointer: String,
    detail: String,
}

impl Problem {
    /// A problem of this kind, which is one word or more with hyphens, in lower case.
    pub(crate) fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind: format!("{TYPES}{kind}"),
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            rejection: None,
            headers: HeaderMap::new(),
        }))
    }

    /// That of a path that is no text.
    pub(crate) fn unreadable_name(kind: &str) -> Self {
        let detail = format!("the name of the {kind} is not a text in UTF-8");
        Self::new(StatusCode::NOT_FOUND, "unknown", detail)
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The `type`.
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Names the invalid field by its path in the message.
    pub(crate) fn of_field(mut self, path: &str, detail: impl Into<String>) -> Self {
        self.0.errors.push(InvalidField {
            pointer: pointer(path),
            detail: detail.into(),
        });
        self
    }

    /// Adds the error of the domain.
    pub(crate) fn of_rejection(mut self, rejection: Option<Value>) -> Self {
        self.0.rejection = rejection;
        self
    }

    /// Asks the sender to come again in this number of seconds.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, seconds.into())
    }

    /// Names the methods that there are.
    pub(crate) fn allow(self, methods: &'static str) -> Self {
        self.header(ALLOW, HeaderValue::from_static(methods))
    }

    /// Names the codings that a body may have.
    pub(crate) fn accept_encoding(self, codings: &'static str) -> Self {
        self.header(ACCEPT_ENCODING, HeaderValue::from_static(codings))
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }
}

impl From<Unauthenticated> for Problem {
    fn from(unknown: Unauthenticated) -> Self {
        let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", unknown.reason);
        // A constant that is no header's value is a mistake in the program, and no reason to let somebody in.
        match HeaderValue::from_str(unknown.challenge) {
            Ok(challenge) => problem.header(WWW_AUTHENTICATE, challenge),
            Err(_) => problem,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers = self.0.headers.clone();
        let mut response = (self.status(), headers, Json(self)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
        response
    }
}
