use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderName;
use axum::http::request::Parts;
use axum::routing::any;
use cqrs_core::store::CustomMetadata;
use cqrs_core::{Actor, Dispatcher};
use tower_http::catch_panic::CatchPanicLayer;

use crate::actor::{Authenticate, FindMetadata, FoundBy, NoActors, Unauthenticated};
use crate::gateway::{Gateway, NAME};
use crate::limits::Limits;
use crate::rate::RateLimit;
use crate::{command, events, panic, query};

/// Options of a router.
///
/// ```
/// use std::time::Duration;
///
/// use cqrs_core::{Actor, Dispatcher};
/// use cqrs_http::{Options, Unauthenticated};
///
/// fn api(shop: Dispatcher) -> axum::Router {
///     Options::new()
///         .actor(|request| match request.headers.get("x-user") {
///             Some(user) => Ok(user.to_str().ok().map(Actor::new)),
///             None => Err(Unauthenticated {
///                 reason: "the header `X-User` is missing".into(),
///                 challenge: "X-User",
///             }),
///         })
///         .max_body(64 << 10)
///         .timeout(Duration::from_secs(10))
///         .router(shop)
/// }
/// ```
#[must_use = "options are used by `router`"]
pub struct Options {
    authenticate: Box<dyn Authenticate>,
    metadata: Vec<Box<FindMetadata>>,
    limits: Limits,
    routes: Routes,
    #[cfg(feature = "openapi")]
    documents: Option<cqrs_openapi::Options>,
}

/// The routes of a router.
struct Routes {
    has_commands: bool,
    has_events: bool,
}

impl Options {
    /// The default options.
    pub fn new() -> Self {
        Self {
            authenticate: Box::new(NoActors),
            metadata: Vec::new(),
            limits: Limits {
                max_body: 1 << 20,
                timeout: Duration::from_secs(30),
                body_timeout: Duration::from_secs(10),
                max_requests: 1024,
                max_watches: 1024,
                max_rate: None,
            },
            routes: Routes {
                has_commands: true,
                has_events: false,
            },
            #[cfg(feature = "openapi")]
            documents: None,
        }
    }

    /// Sets the function that finds the actor of a request. It runs before the body is read, and every five seconds while a
    /// watch or a feed is open, which ends when the function refuses the request or finds another actor. Without one, there
    /// are no actors, and the dispatcher's authorizer decides what they may do.
    pub fn actor<F>(mut self, authenticate: F) -> Self
    where
        F: Fn(&Parts) -> Result<Option<Actor>, Unauthenticated> + Send + Sync + 'static,
    {
        self.authenticate = Box::new(FoundBy(authenticate));
        self
    }

    /// Adds custom metadata to the commands of requests, which their events record: what the function makes of the
    /// head of a request and its actor. It runs before the body is read. Of several functions and
    /// [headers](Self::metadata_from_header), the last one wins. Without any, there is none: what a client sends is
    /// recorded only if the program says so.
    pub fn metadata<F>(mut self, metadata: F) -> Self
    where
        F: Fn(&Parts, Option<&Actor>) -> CustomMetadata + Send + Sync + 'static,
    {
        self.metadata.push(Box::new(metadata));
        self
    }

    /// Adds the value of a header to the [metadata](Self::metadata) of the commands, under this key, if a request has the
    /// header: for headers that the program or a proxy before it sets, such as `X-Request-Id`, or that clients may set.
    pub fn metadata_from_header(self, header: HeaderName, key: impl Into<String>) -> Self {
        let key = key.into();
        self.metadata(move |head, _| {
            let value = head.headers.get(&header);
            let text = value.and_then(|value| value.to_str().ok());
            text.map(|text| (key.as_str(), text)).into_iter().collect()
        })
    }

    /// Finds the actor of a request by its bearer token, in place of [`actor`](Self::actor). A watch or a feed ends
    /// when the token expires.
    #[cfg(feature = "jwt")]
    pub fn bearer(mut self, tokens: crate::jwt::BearerTokens) -> Self {
        self.authenticate = Box::new(tokens);
        self
    }

    /// Sets the maximum size of a body, in bytes. A larger one gets the status 413. Defaults to 1 MiB. The dispatcher has
    /// a limit of its own, [`max_message`](cqrs_core::app::Builder::max_message).
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.limits.max_body = bytes;
        self
    }

    /// Sets the maximum time of a request once its body is read. It gets the status 504 then; whether a command was carried
    /// out is not known, unless it is sent again with the same `Idempotency-Key`. Defaults to 30 seconds. Watches have none.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// Sets the maximum time in which the body has to arrive. The request gets the status 408 then. Defaults to 10 seconds.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.limits.body_timeout = timeout;
        self
    }

    /// Sets the maximum number of requests at a time. A further one gets the status 503. Defaults to 1,024.
    pub fn max_requests(mut self, requests: usize) -> Self {
        self.limits.max_requests = requests;
        self
    }

    /// Sets the maximum number of watched queries at a time, which are not counted as requests. A further one gets the
    /// status 503. Defaults to 1,024.
    pub fn max_watches(mut self, watches: usize) -> Self {
        self.limits.max_watches = watches;
        self
    }

    /// Sets the maximum number of requests of one sender within a period; a watch or a feed is one when it begins. A further one
    /// gets the status 429, with the time in `Retry-After` after which there is one again: they come back one by one, and
    /// not all at once. Defaults to no limit.
    ///
    /// The sender is the actor. If there is none, or nobody knows it, it is the address that the request comes from, as far
    /// as the server tells it, with
    /// [`into_make_service_with_connect_info`](axum::Router::into_make_service_with_connect_info) of `SocketAddr`; all others
    /// count as one. Behind a proxy, the address is that of the proxy. Each router counts by itself, for the 65,536
    /// senders who have sent something last.
    pub fn max_rate(mut self, requests: NonZeroU32, period: Duration) -> Self {
        self.limits.max_rate = RateLimit::new(requests, period);
        self
    }

    /// Serves queries only: there is no route for commands, so a command gets the status 404. For processes that read, with
    /// [`Role::Queries`](cqrs_core::app::Role::Queries) and the database role of a reader.
    pub fn only_queries(mut self) -> Self {
        self.routes.has_commands = false;
        self
    }

    /// Serves the events of the log, at `GET /events`, to those who hold the dispatcher's
    /// [`log_permission`](cqrs_core::app::Builder::log_permission). Without such a permission, nobody may read them. Each
    /// reader counts as a watch.
    pub fn event_feed(mut self) -> Self {
        self.routes.has_events = true;
        self
    }

    /// Serves the documents of what is served, to everybody: OpenAPI at `/openapi.json`, AsyncAPI at `/asyncapi.json`, and
    /// with the feature `page`, a page for browsers at `/docs`. They
    /// have the names, fields and documentation of all commands, queries and events.
    #[cfg(feature = "openapi")]
    pub fn openapi(mut self, options: cqrs_openapi::Options) -> Self {
        self.documents = Some(options);
        self
    }

    /// The routes of the queries of a dispatcher, of its commands unless [`only_queries`](Self::only_queries) says
    /// otherwise, and of its log if [`event_feed`](Self::event_feed) says so.
    pub fn router(self, dispatcher: Dispatcher) -> Router {
        let documents = self.documents(&dispatcher);
        let Routes {
            has_commands,
            has_events,
        } = self.routes;
        let gateway = Arc::new(Gateway::new(
            dispatcher,
            (self.authenticate, self.metadata),
            self.limits,
        ));
        let mut router = Router::new().route(&format!("/queries/{{{NAME}}}"), any(query::answer));
        if has_commands {
            router = router.route(&format!("/commands/{{{NAME}}}"), any(command::answer));
        }
        if has_events {
            router = router.route("/events", any(events::answer));
        }
        router
            .merge(documents)
            .layer(CatchPanicLayer::custom(panic::answer))
            .with_state(gateway)
    }
}

#[cfg(feature = "openapi")]
impl Options {
    /// The routes of the documents, if they are wanted.
    fn documents(&self, dispatcher: &Dispatcher) -> Router<Arc<Gateway>> {
        let Some(about) = &self.documents else {
            return Router::new();
        };
        let mut about = about.clone();
        if !self.routes.has_commands {
            about = about.only_queries();
        }
        if self.routes.has_events {
            about = about.event_feed();
        }
        crate::documents::routes(&dispatcher.model(), &about)
    }
}

#[cfg(not(feature = "openapi"))]
impl Options {
    #[expect(clippy::unused_self, reason = "as with documents")]
    fn documents(&self, _: &Dispatcher) -> Router<Arc<Gateway>> {
        Router::new()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
