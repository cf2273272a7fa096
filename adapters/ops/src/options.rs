use std::sync::Arc;

use axum::Router;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use cqrs_core::{Actor, Dispatcher};
use cqrs_http::Unauthenticated;
use tower_http::catch_panic::CatchPanicLayer;

use crate::desk::{Authenticate, Desk, Metrics, Permissions};
use crate::{
    aggregates, assets, change, confirm, event, events, frame, map, messages, overview, processes,
    refusal, subscription,
};

/// Options of the pages.
///
/// ```
/// use cqrs_core::{Actor, Dispatcher};
/// use cqrs_http::Unauthenticated;
/// use cqrs_ops::Options;
///
/// /// Behind a proxy that names the user, and lets nobody else set the header.
/// fn pages(shop: Dispatcher) -> axum::Router {
///     let pages = Options::new()
///         .actor(|request| match request.headers.get("x-user") {
///             Some(user) => Ok(user.to_str().ok().map(|name| Actor::new(name).with("operations:read"))),
///             None => Err(Unauthenticated {
///                 reason: "the header `X-User` is missing".into(),
///                 challenge: "Proxy",
///             }),
///         })
///         .title("Shop")
///         .router(shop);
///     axum::Router::new().nest("/ops", pages)
/// }
/// ```
#[must_use = "options are used by `router`"]
pub struct Options {
    authenticate: Box<Authenticate>,
    permissions: Permissions,
    metrics: Option<Box<Metrics>>,
    title: String,
    max_requests: usize,
}

impl Options {
    /// The default options.
    pub fn new() -> Self {
        Self {
            authenticate: Box::new(|_| Ok(None)),
            permissions: Permissions {
                look: "operations:read",
                change: "operations:write",
            },
            metrics: None,
            title: "Operations".to_owned(),
            max_requests: 64,
        }
    }

    /// Sets the function that finds the actor of a request. Without one, there are no actors, and the dispatcher's authorizer
    /// decides what they may do. The one of [`cqrs_http::Options::actor`] fits.
    pub fn actor<F>(mut self, authenticate: F) -> Self
    where
        F: Fn(&Parts) -> Result<Option<Actor>, Unauthenticated> + Send + Sync + 'static,
    {
        self.authenticate = Box::new(authenticate);
        self
    }

    /// Sets the permission that every page needs. Defaults to `operations:read`. The events of the log need the dispatcher's
    /// [`log_permission`](cqrs_core::app::Builder::log_permission) as well.
    pub fn permission(mut self, permission: &'static str) -> Self {
        self.permissions.look = permission;
        self
    }

    /// Sets the permission that changes need, beside the one of every page. Defaults to `operations:write`.
    pub fn change_permission(mut self, permission: &'static str) -> Self {
        self.permissions.change = permission;
        self
    }

    /// Sets the function that renders the metrics of the program in the text format of Prometheus, as `Prometheus::render` of
    /// `cqrs-metrics` does. The page of messages has its figures from that: `.metrics(move |app| prometheus.render(app))`.
    /// Without one, it has none.
    pub fn metrics(
        mut self,
        render: impl Fn(&Dispatcher) -> String + Send + Sync + 'static,
    ) -> Self {
        self.metrics = Some(Box::new(render));
        self
    }

    /// Sets the title of the pages, such as the name of the program. Defaults to `Operations`.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Sets the maximum number of requests at a time. A further one gets the status 503. Defaults to 64.
    pub fn max_requests(mut self, requests: usize) -> Self {
        self.max_requests = requests;
        self
    }

    /// The pages of a dispatcher, to be nested at any path.
    pub fn router(self, dispatcher: Dispatcher) -> Router {
        let Self {
            authenticate,
            permissions,
            metrics,
            title,
            max_requests,
        } = self;
        let desk = Arc::new(Desk::new(
            dispatcher,
            authenticate,
            permissions,
            metrics,
            title,
            max_requests,
        ));
        Router::new()
            .route("/", get(overview::answer))
            .route("/subscription", get(subscription::answer))
            .route("/confirm", get(confirm::answer))
            .route("/change", post(change::answer))
            .route("/events", get(events::answer))
            .route("/event", get(event::answer))
            .route("/messages", get(messages::answer))
            .route("/aggregates", get(aggregates::answer))
            .route("/aggregate", get(aggregates::one))
            .route("/processes", get(processes::answer))
            .route("/process", get(processes::one))
            .route("/map", get(map::answer))
            .route("/style.css", get(assets::style))
            .route("/script.js", get(assets::script))
            .method_not_allowed_fallback(refusal::wrong_method)
            .layer(CatchPanicLayer::custom(refusal::of_panic))
            .layer(from_fn_with_state(desk.clone(), frame::around))
            .with_state(desk)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
