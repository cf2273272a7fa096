use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::request::Parts;
use cqrs_core::app::{AccessRequest, Action, Model, NodeKind, SubscriptionKind};
use cqrs_core::{Actor, Dispatcher};
use cqrs_http::Unauthenticated;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::jobs::Jobs;
use crate::rates::Rates;
use crate::refusal::Refusal;

/// Maps the head of a request to the actor who sends it.
pub(crate) type Authenticate =
    dyn Fn(&Parts) -> Result<Option<Actor>, Unauthenticated> + Send + Sync;

/// Renders the metrics of a program, in the text format of Prometheus.
pub(crate) type Metrics = dyn Fn(&Dispatcher) -> String + Send + Sync;

/// The permissions of the pages.
pub(crate) struct Permissions {
    pub(crate) look: &'static str,
    pub(crate) change: &'static str,
}

/// What all requests share.
pub(crate) struct Desk {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) model: Model,
    pub(crate) title: String,
    pub(crate) rates: Rates,
    pub(crate) message_rates: Rates,
    pub(crate) jobs: Arc<Jobs>,
    authenticate: Box<Authenticate>,
    permissions: Permissions,
    metrics: Option<Box<Metrics>>,
    requests: Arc<Semaphore>,
}

impl Desk {
    pub(crate) fn new(
        dispatcher: Dispatcher,
        authenticate: Box<Authenticate>,
        permissions: Permissions,
        metrics: Option<Box<Metrics>>,
        title: String,
        max_requests: usize,
    ) -> Self {
        Self {
            model: dispatcher.model(),
            dispatcher,
            title,
            rates: Rates::default(),
            message_rates: Rates::default(),
            jobs: Arc::default(),
            authenticate,
            permissions,
            metrics,
            requests: Arc::new(Semaphore::new(max_requests.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// The actor of a request, if they may look at the pages.
    pub(crate) fn admit(&self, head: &Parts) -> Result<Option<Actor>, Refusal> {
        let actor = (self.authenticate)(head).map_err(|unknown| {
            Refusal::new(StatusCode::UNAUTHORIZED, unknown.reason).challenge(unknown.challenge)
        })?;
        self.permit(actor.as_ref(), self.permissions.look)?;
        Ok(actor)
    }

    /// Checks that the actor may change something.
    pub(crate) fn permit_change(&self, actor: Option<&Actor>) -> Result<(), Refusal> {
        self.permit(actor, self.permissions.change)
    }

    fn permit(&self, actor: Option<&Actor>, permission: &'static str) -> Result<(), Refusal> {
        let request = AccessRequest {
            actor,
            action: Action::Operate,
            permission,
            message: "subscriptions",
        };
        let permitted = self.dispatcher.authorize(&request);
        permitted.map_err(|error| Refusal::of_query(&error))
    }

    /// The metrics of the program, if it gives them to the pages.
    pub(crate) fn metrics(&self) -> Option<String> {
        self.metrics.as_ref().map(|render| render(&self.dispatcher))
    }

    /// Counts a request, until the permit is dropped. It never waits: a queue would only hide the overload.
    pub(crate) fn begin(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let permit = self.requests.clone().try_acquire_owned();
        permit.map_err(|_| {
            let text = "the server has too many requests for this page: try again in a moment";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text)
        })
    }

    /// The version and the documentation of a subscription of this program.
    pub(crate) fn declared(
        &self,
        kind: SubscriptionKind,
        name: &str,
    ) -> (Option<u32>, &'static str) {
        let kind = match kind {
            SubscriptionKind::Projection => NodeKind::Projection,
            SubscriptionKind::Reaction => NodeKind::Reaction,
            SubscriptionKind::ProcessManager => NodeKind::ProcessManager,
        };
        let mut nodes = self.model.of_kind(kind);
        let node = nodes.find(|node| node.id.name == name || node.id.label() == name);
        node.map_or((None, ""), |node| (node.version, node.docs))
    }
}
