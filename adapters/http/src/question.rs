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
    /// The error of a field that is read as a text since.
    refused: Option<QueryError>,
}

/// The fields of a query.
pub(crate) enum Fields {
    Json(Bytes),
    QueryString(QueryString),
}

impl Question {
    pub(crate) fn new(
        name: String,
        fields: Fields,
        actor: Option<Actor>,
        places: Vec<Place>,
    ) -> Self {
        Self {
            name,
            fields,
            actor,
            places,
            refused: None,
        }
    }

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
                Err(error) => self.read_otherwise(error)?,
                answered => return answered,
            }
        }
    }

    /// Has a field that was refused as a number read as a text from now on. It was refused before the query reached its
    /// handler.
    ///
    /// # Errors
    /// The error to answer with: that of the number, if the field is no text either.
    pub(crate) fn read_otherwise(&mut self, error: QueryError) -> Result<(), QueryError> {
        let field = malformed_field(&error);
        if let (Fields::QueryString(query), Some(path)) = (&mut self.fields, field)
            && query.read_as_text(path)
        {
            self.refused = Some(error);
            return Ok(());
        }
        match self.refused.take() {
            Some(refused) if malformed_field(&refused) == field => Err(refused),
            _ => Err(error),
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
}

/// The field whose JSON does not have the form of the query.
fn malformed_field(error: &QueryError) -> Option<&str> {
    match error.kind() {
        QueryErrorKind::Invalid(invalid) if invalid.is_malformed() => invalid.field.as_deref(),
        _ => None,
    }
}
