use serde::Serialize;

/// A field of a command, query, event or read model, as its derive registers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Field {
    /// The name in Rust. The JSON may have another one, by an attribute of Serde.
    pub name: &'static str,
    /// The type, as it is written.
    #[serde(rename = "type")]
    pub ty: &'static str,
    /// The documentation comment.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub docs: &'static str,
    /// The name of the aggregate whose id it is, or of which it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<&'static str>,
}

impl Field {
    /// The field with this name and type.
    #[doc(hidden)]
    pub const fn new(name: &'static str, ty: &'static str, docs: &'static str) -> Self {
        Self {
            name,
            ty,
            docs,
            aggregate: None,
        }
    }

    /// Sets [`aggregate`](Self::aggregate).
    #[doc(hidden)]
    #[must_use]
    pub const fn of(self, aggregate: &'static str) -> Self {
        Self {
            aggregate: Some(aggregate),
            ..self
        }
    }
}
