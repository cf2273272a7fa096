use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// An OpenAPI or AsyncAPI document, as JSON. The same model gives the same document.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Document(Value);

impl Document {
    pub(crate) fn new(json: Value) -> Self {
        Self(json)
    }

    /// The document.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

/// JSON with line breaks.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The alternate form of a value is the one with line breaks.
        write!(f, "{:#}", self.0)
    }
}
