//! Refuses commands that would wait for themselves. While a handler decides about an aggregate, a
//! command of the handler about the same aggregate would wait for that turn to end, and a command
//! with events of the aggregate would make the handler's own decision conflict in every attempt.

use std::future::Future;
use std::sync::Arc;

use super::load::Load;
use crate::Uuid;
use crate::error::Failure;
use crate::handler::AggregateType;
use crate::store::{EventData, EventLog, Tags};

tokio::task_local! {
    /// The decisions of the async handlers that this task runs, the innermost first. A sync handler
    /// cannot await a command, so its decision is not recorded.
    static DECIDING: Arc<Deciding>;
}

struct Deciding {
    handler: &'static str,
    /// Dispatchers with the same log share aggregates.
    store: Uuid,
    about: Vec<(&'static AggregateType, Tags)>,
    outer: Option<Arc<Self>>,
}

/// Runs an async handler's future, which decides about these aggregates.
pub(super) async fn deciding<F: Future>(
    handler: &'static str,
    store: &dyn EventLog,
    loads: &[Load],
    future: F,
) -> F::Output {
    let about: Vec<_> = loads
        .iter()
        .map(|load| (load.aggregate, load.key.tags.clone()))
        .collect();
    if about.is_empty() {
        return future.await;
    }
    let deciding = Deciding {
        handler,
        store: store.heads().log_id(),
        about,
        outer: DECIDING.try_with(Arc::clone).ok(),
    };
    DECIDING.scope(Arc::new(deciding), future).await
}

/// Refuses to decide about an aggregate that this task is already deciding about.
pub(super) fn check_loads(
    loads: &[Load],
    store: &dyn EventLog,
    handler: &'static str,
) -> Result<(), Failure> {
    refuse(store, handler, |aggregate, tags| {
        loads.iter().any(|load| {
            load.key.tags == *tags && (load.aggregate.type_id)() == (aggregate.type_id)()
        })
    })
}

/// Refuses events that would break the boundary of a decision of this task.
pub(super) fn check_events(
    events: &[EventData],
    store: &dyn EventLog,
    handler: &'static str,
) -> Result<(), Failure> {
    refuse(store, handler, |aggregate, tags| {
        events.iter().any(|event| {
            event.tags.contains_all(tags) && aggregate.events.contains(&event.event_type.as_str())
        })
    })
}

fn refuse(
    store: &dyn EventLog,
    handler: &'static str,
    concerns: impl Fn(&AggregateType, &Tags) -> bool,
) -> Result<(), Failure> {
    let Ok(innermost) = DECIDING.try_with(Arc::clone) else {
        return Ok(());
    };
    let store = store.heads().log_id();
    let mut outer = Some(&innermost);
    while let Some(deciding) = outer {
        let about = &deciding.about;
        let mut shared = about
            .iter()
            .filter(|(aggregate, tags)| concerns(aggregate, tags));
        if let Some((_, tags)) = shared.next()
            && deciding.store == store
        {
            return Err(Failure::Nested {
                handler,
                outer: deciding.handler,
                aggregate: tags.clone(),
            });
        }
        outer = deciding.outer.as_ref();
    }
    Ok(())
}
