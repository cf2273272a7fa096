use axum::body::Bytes;
use cqrs_core::error::QueryErrorKind;
use cqrs_core::{Actor, QueryError};
use serde_json::Value;

use crate::gateway::Gateway;
use crate::headers::Place;
use crate::query_string::QueryString;

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

impl Question {
    /// Asks it once.
    pub(crate) async fn ask(mut self, gateway: &Gateway) -> Result<Value, QueryError> {
        loop {
            let json = self.fields.json();
            let mut call = gateway.dispatcher.query_json(&self.name, &json);
            for place in &self.places {
                call = match place {
                    Place::Bookmark(bookmark) => call.after(bookmark),
                    Place::Position(position) => call.after_position(*position),
                };
            }
            if let Some(actor) = &self.actor {
                call = call.actor(actor.clone());
            }
            match call.await {
                Err(error) if self.fields.may_be_text(&error) => {}
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
