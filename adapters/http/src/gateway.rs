use std::collections::HashMap;

use axum::http::request::Parts;
use cqrs_core::app::NodeKind;
use cqrs_core::{Actor, Dispatcher};

use crate::limits::Limit;
use crate::options::Options;
use crate::problem::Problem;
use crate::query_string::FieldTypes;

/// What all requests share.
pub(crate) struct Gateway {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) options: Options,
    pub(crate) requests: Limit,
    pub(crate) watches: Limit,
    fields: HashMap<String, FieldTypes>,
}

impl Gateway {
    pub(crate) fn new(dispatcher: Dispatcher, options: Options) -> Self {
        let nodes = dispatcher.model().nodes.into_iter();
        let queries = nodes.filter(|node| node.id.kind == NodeKind::Query);
        Self {
            fields: queries
                .map(|node| (node.id.name, FieldTypes::of(&node.fields)))
                .collect(),
            requests: Limit::new(options.max_requests, "requests"),
            watches: Limit::new(options.max_watches, "watched queries"),
            dispatcher,
            options,
        }
    }

    pub(crate) fn actor(&self, head: &Parts) -> Result<Option<Actor>, Problem> {
        (self.options.authenticate)(head).map_err(Problem::from)
    }

    /// The types of the fields of a query, if there is one with this name.
    pub(crate) fn fields(&self, query: &str) -> Option<&FieldTypes> {
        self.fields.get(query)
    }
}
