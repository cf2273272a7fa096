use std::collections::HashMap;

use axum::http::request::Parts;
use cqrs_core::app::NodeKind;
use cqrs_core::{Actor, Dispatcher};

use crate::actor::Authenticate;
use crate::limits::{Limits, Permits};
use crate::problem::Problem;
use crate::query_string::FieldTypes;

/// What all requests share.
pub(crate) struct Gateway {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) limits: Limits,
    pub(crate) requests: Permits,
    pub(crate) watches: Permits,
    authenticate: Box<Authenticate>,
    fields: HashMap<String, FieldTypes>,
}

impl Gateway {
    pub(crate) fn new(
        dispatcher: Dispatcher,
        authenticate: Box<Authenticate>,
        limits: Limits,
    ) -> Self {
        let nodes = dispatcher.model().nodes.into_iter();
        let queries = nodes.filter(|node| node.id.kind == NodeKind::Query);
        Self {
            fields: queries
                .map(|node| (node.id.name, FieldTypes::of(&node.fields)))
                .collect(),
            requests: Permits::new(limits.max_requests, "requests"),
            watches: Permits::new(limits.max_watches, "watched queries"),
            dispatcher,
            limits,
            authenticate,
        }
    }

    pub(crate) fn actor(&self, head: &Parts) -> Result<Option<Actor>, Problem> {
        (self.authenticate)(head).map_err(Problem::from)
    }

    /// The types of the fields of a query, if there is one with this name.
    pub(crate) fn fields(&self, query: &str) -> Option<&FieldTypes> {
        self.fields.get(query)
    }
}
