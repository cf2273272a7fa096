use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// What the types of all problems begin with.
const TYPES: &str = "urn:cqrs:problem:";

/// What the server says of a request that it refuses, or that failed (RFC 9457).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// The kind, such as `urn:cqrs:problem:denied`: those of the guide to HTTP, or another one of a server in
    /// between.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The status of the answer.
    #[serde(default)]
    pub status: u16,
    /// The text for people.
    #[serde(default)]
    pub detail: String,
    /// The fields of the message that are not valid.
    #[serde(default)]
    pub errors: Vec<InvalidField>,
    /// The error of the domain.
    #[serde(default)]
    pub(crate) rejection: Option<Value>,
}

/// A field of the message that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct InvalidField {
    /// A JSON pointer (RFC 6901), as a fragment.
    pub pointer: String,
    /// The text for people.
    pub detail: String,
}

impl Problem {
    /// From the body of an answer with this status, which may be the page of a proxy.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let told = serde_json::from_slice::<Self>(body).ok();
        match told.filter(|problem| !problem.kind.is_empty()) {
            Some(problem) => Self { status, ..problem },
            None => Self {
                kind: "about:blank".to_owned(),
                status,
                detail: format!("the server answers with status {status}"),
                errors: Vec::new(),
                rejection: None,
            },
        }
    }

    /// From an event of a watch.
    pub(crate) fn told(json: &str) -> Self {
        let told = serde_json::from_str::<Self>(json);
        told.unwrap_or_else(|_| Self::read(500, &[]))
    }

    /// The kind without the part that is the same for all: `denied` of `urn:cqrs:problem:denied`. `None` for a problem
    /// that the framework does not have.
    pub fn name(&self) -> Option<&str> {
        self.kind.strip_prefix(TYPES)
    }

    /// The part after the colon, if the domain rejects a command.
    pub(crate) fn rejected(&self) -> Option<&str> {
        self.name()?.strip_prefix("rejected:")
    }

    /// Whether the same request may succeed later, and nothing was done, or doing it again has no further effect.
    pub(crate) fn may_pass(&self) -> bool {
        match self.name() {
            Some("in-progress" | "body-late" | "indeterminate" | "late") => true,
            // Somebody has to act first.
            Some("parked" | "not-in-role" | "store-read-only") => false,
            _ => matches!(self.status, 429 | 502 | 503 | 504),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.status)
    }
}
