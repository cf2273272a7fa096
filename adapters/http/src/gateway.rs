use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;
use axum::http::request::Parts;
use cqrs_core::app::NodeKind;
use cqrs_core::error::QueryErrorKind;
use cqrs_core::store::{CustomMetadata, EventQuery};
use cqrs_core::{Actor, Dispatcher};

use crate::actor::{Authenticate, FindMetadata, Sender};
use crate::failure;
use crate::limits::{Limits, Permits};
use crate::problem::Problem;
use crate::query_string::FieldTypes;
use crate::running_keys::RunningKeys;

/// The parameter of the path that has the name of the message. No application has one with this name before it.
pub(crate) const NAME: &str = "message";

/// What all requests share.
pub(crate) struct Gateway {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) limits: Limits,
    pub(crate) requests: Permits,
    pub(crate) watches: Permits,
    pub(crate) running: RunningKeys,
    authenticate: Box<dyn Authenticate>,
    metadata: Vec<Box<FindMetadata>>,
    fields: HashMap<String, Arc<FieldTypes>>,
}

impl Gateway {
    pub(crate) fn new(
        dispatcher: Dispatcher,
        (authenticate, metadata): (Box<dyn Authenticate>, Vec<Box<FindMetadata>>),
        limits: Limits,
    ) -> Self {
        let nodes = dispatcher.model().nodes.into_iter();
        let queries = nodes.filter(|node| node.id.kind == NodeKind::Query);
        Self {
            fields: queries
                .map(|node| (node.id.name, Arc::new(FieldTypes::of(&node.fields))))
                .collect(),
            requests: Permits::new(limits.max_requests, "requests"),
            watches: Permits::new(limits.max_watches, "watched queries"),
            running: RunningKeys::default(),
            dispatcher,
            limits,
            authenticate,
            metadata,
        }
    }

    pub(crate) async fn sender(&self, head: &Parts) -> Result<Sender, Problem> {
        let mut found = self.authenticate.sender(head);
        if found.is_err()
            && let Some(learning) = self.authenticate.learn(head)
        {
            learning.await;
            found = self.authenticate.sender(head);
        }
        found.map_err(Problem::from)
    }

    /// Counts a request, and finds its actor. A sender whom nobody knows is counted by its address, before the refusal: it
    /// may be trying tokens.
    pub(crate) async fn admit(&self, head: &Parts) -> Result<Option<Actor>, Problem> {
        let found = self.sender(head).await.map(|sender| sender.actor);
        if let Some(rate) = &self.limits.max_rate {
            let actor = found.as_ref().ok().and_then(Option::as_ref);
            rate.count(actor, head)?;
        }
        found
    }

    /// Checks that the actor may ask the query with this name, if there is one.
    pub(crate) fn permit_query(&self, name: &str, actor: Option<&Actor>) -> Result<(), Problem> {
        match self.dispatcher.permit_query(name, actor) {
            Err(error) if !matches!(error.kind(), QueryErrorKind::Unknown(_)) => {
                Err(failure::of_query(&error))
            }
            _ => Ok(()),
        }
    }

    /// The custom metadata of the command in a request. Of several functions, the last one wins.
    pub(crate) fn metadata(&self, head: &Parts, actor: Option<&Actor>) -> CustomMetadata {
        let mut metadata = CustomMetadata::default();
        for find in &self.metadata {
            for (key, value) in find(head, actor).iter() {
                metadata.set(key, value);
            }
        }
        metadata
    }

    /// Checks that the actor may read the log.
    pub(crate) fn permit_log(&self, actor: Option<&Actor>) -> Result<(), Problem> {
        let mut history = self.dispatcher.events(EventQuery::NONE);
        if let Some(actor) = actor {
            history = history.actor(actor.clone());
        }
        let permitted = history.stream().map(drop);
        permitted.map_err(|error| failure::of_query(&error))
    }

    /// The types of the fields of a query, if there is one with this name.
    pub(crate) fn fields(&self, query: &str) -> Option<Arc<FieldTypes>> {
        self.fields.get(query).cloned()
    }
}

/// The name of the message in the path, which may have parameters of the application before it. `None` if it is no text.
pub(crate) fn name_in(parameters: Result<RawPathParams, RawPathParamsRejection>) -> Option<String> {
    let parameters = parameters.ok()?;
    let mut all = parameters.iter();
    let name = all.find(|(parameter, _)| *parameter == NAME);
    name.map(|(_, name)| name.to_owned())
}
