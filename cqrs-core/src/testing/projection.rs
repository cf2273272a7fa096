use std::any::TypeId;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::difference::{Lines, difference, fields};
use super::given_events::{GivenEvents, run};
use crate::Timestamp;
use crate::auth::Actor;
use crate::dispatcher::Dispatcher;
use crate::handler::Projection;
use crate::json;
use crate::message::IntoEvents;
use crate::registry::{ProjectionEntry, Registry};
use crate::store::EventLogExt;
use crate::views::{Read, ReadModel};
use crate::wiring::{Plan, PlannedProjection, Stores};

/// Interval between two checks whether a slow projection fails.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Maximum number of checks: half a minute in total.
const MAX_CHECKS: usize = 600;

/// Begins a test of a projection: `projection::<ProductList>().given(events).then_view(key, view)`.
///
/// The events are recorded in a store in memory. The real projection folds them and writes its
/// views there; the test reads the views as a query does.
pub fn projection<P: Projection>() -> ProjectionTest {
    ProjectionTest {
        entry: const { &ProjectionEntry::of::<P>() },
        history: GivenEvents::new(),
    }
}

/// A projection with the events that it folds. Several `then` calls may follow each other.
pub struct ProjectionTest {
    entry: &'static ProjectionEntry,
    history: GivenEvents,
}

impl ProjectionTest {
    /// Adds events to the history. May be called several times.
    #[must_use = "nothing is tested until `.then_view(..)`"]
    #[track_caller]
    pub fn given(mut self, events: impl IntoEvents) -> Self {
        self.history.add(events);
        self
    }

    /// Sets the time of the following events. Defaults to the epoch.
    #[must_use = "nothing is tested until `.then_view(..)`"]
    pub fn at(mut self, time: Timestamp) -> Self {
        self.history.time = time;
        self
    }

    /// Sets the actor of the following events. Defaults to none.
    #[must_use = "nothing is tested until `.then_view(..)`"]
    pub fn by(mut self, actor: Actor) -> Self {
        self.history.actor = Some(actor);
        self
    }

    /// Adds custom metadata to the following events.
    #[must_use = "nothing is tested until `.then_view(..)`"]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.history.metadata.set(key, value);
        self
    }

    /// Asserts that the view with this key is exactly the expected one.
    ///
    /// # Panics
    /// With a table of the differences, or the error if the projection fails.
    #[track_caller]
    pub fn then_view<V: ReadModel>(&self, key: impl Display, expected: V) -> &Self {
        let actual = self.view::<V>(&key);
        self.compare(&differs::<V>(&key), &[expected], actual.as_slice())
    }

    /// Asserts that no view has this key.
    ///
    /// # Panics
    /// With the view, or the error if the projection fails.
    #[track_caller]
    pub fn then_no_view<V: ReadModel>(&self, key: impl Display) -> &Self {
        let actual = self.view::<V>(&key);
        self.compare::<V>(&differs::<V>(&key), &[], actual.as_slice())
    }

    /// Asserts that the read model has exactly these views, in the order of their keys.
    ///
    /// # Panics
    /// With a table of the differences, or the error if the projection fails.
    #[track_caller]
    pub fn then_views<V: ReadModel>(&self, expected: impl IntoIterator<Item = V>) -> &Self {
        let expected: Vec<V> = expected.into_iter().collect();
        let what = format!("views of `{}` differ", V::NAME);
        self.compare(&what, &expected, &self.views())
    }

    /// Returns the view with this key, if there is one.
    ///
    /// # Panics
    /// With the error, if the projection fails.
    #[track_caller]
    pub fn view<V: ReadModel>(&self, key: impl Display) -> Option<V> {
        let key = key.to_string();
        let view = run(async {
            self.read::<V>()
                .await?
                .get(&key)
                .await
                .map_err(|it| it.to_string())
        });
        self.unwrap(view)
    }

    /// Returns all views of a read model, in the order of their keys.
    ///
    /// # Panics
    /// With the error, if the projection fails.
    #[track_caller]
    pub fn views<V: ReadModel>(&self) -> Vec<V> {
        let views = run(async {
            let read = self.read::<V>().await?;
            read.find().all().await.map_err(|error| error.to_string())
        });
        self.unwrap(views)
    }

    /// Folds the events. Returns access to the views.
    async fn read<V: ReadModel>(&self) -> Result<Read<V>, String> {
        let store = self.history.store().await;
        let head = store.head().await.map_err(|error| error.to_string())?;
        let store = Arc::new(store);
        let plan = Plan {
            projections: vec![PlannedProjection::new(self.entry)],
            ..Plan::of_aggregates(Registry::get())
        };
        let model = plan
            .models()
            .remove(&TypeId::of::<V>())
            .ok_or_else(|| format!("it does not keep `{}`", V::NAME))?;
        let dispatcher = Dispatcher::builder()
            .start(plan, Stores::of(store.clone()))
            .await
            .map_err(|error| error.to_string())?;
        for _ in 0..MAX_CHECKS {
            let Err(behind) = dispatcher.wait_until_caught_up(head, CHECK_INTERVAL).await else {
                return Ok(Read::new(store, model.schema));
            };
            if let Some(failure) = behind.failing {
                return Err(failure);
            }
        }
        Err("it did not finish within 30 seconds".to_owned())
    }

    #[track_caller]
    fn compare<V: ReadModel>(&self, what: &str, expected: &[V], actual: &[V]) -> &Self {
        let views = |views: &[V]| views.iter().map(JsonView::new).collect::<Vec<_>>();
        if let Some(table) = difference(&views(expected), &views(actual)) {
            let name = self.entry.name;
            panic!("`{name}`: {what}\n\n{table}");
        }
        self
    }

    #[track_caller]
    fn unwrap<T>(&self, result: Result<T, String>) -> T {
        result.unwrap_or_else(|error| panic!("`{}`: {error}", self.entry.name))
    }
}

fn differs<V: ReadModel>(key: &impl Display) -> String {
    format!("view `{key}` of `{}` differs", V::NAME)
}

/// A stored view.
#[derive(Debug, PartialEq)]
struct JsonView {
    key: String,
    body: Value,
}

impl JsonView {
    fn new<V: ReadModel>(view: &V) -> Self {
        Self {
            key: view.key().to_string(),
            body: json::to_value(view),
        }
    }
}

impl Lines for JsonView {
    const NOTHING: &'static str = "(no view)";

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.key.clone()];
        lines.extend(fields(&self.body));
        lines
    }
}
