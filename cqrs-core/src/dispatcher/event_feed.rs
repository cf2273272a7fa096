use std::sync::Arc;

use super::inner::Inner;
use super::{Caller, Dispatcher};
use crate::Timestamp;
use crate::auth::{Action, Actor};
use crate::error::{Failure, QueryError};
use crate::store::subscription::Subscription;
use crate::store::{EventPage, EventQuery, Position, ReadRange, RecordedFilter};
use crate::subscription::unless;

/// The events that match, from a position on, and those that come: without a gap. Created by [`Dispatcher::follow`].
///
/// Events are read in [`next`](Self::next), so a slow reader holds up nobody. A feed keeps the dispatcher running, until
/// [`shutdown`](Dispatcher::shutdown).
#[must_use = "events are read in `next`"]
pub struct EventFeed {
    inner: Arc<Inner>,
    query: EventQuery,
    after: Position,
    filter: RecordedFilter,
    actor: Option<Actor>,
    /// Reads the log since the first `next`.
    subscription: Option<Subscription>,
}

impl EventFeed {
    pub(super) fn new(dispatcher: &Dispatcher, query: EventQuery) -> Self {
        Self {
            inner: dispatcher.inner.clone(),
            query,
            after: Position::START,
            filter: RecordedFilter::default(),
            actor: None,
            subscription: None,
        }
    }

    /// Sets the actor that reads the events. Defaults to none. The authorizer is asked in each [`next`](Self::next).
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Returns only events after this position. Defaults to the start of the log.
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Returns only events of commands that the actor with this name has sent. Logs have no index of actors: all events that
    /// match otherwise are read, and the others are left out.
    pub fn by(mut self, actor: impl Into<String>) -> Self {
        self.filter.actor = Some(actor.into());
        self
    }

    /// Returns only events that were recorded at this time or later.
    pub fn since(mut self, time: Timestamp) -> Self {
        self.filter.since = Some(time);
        self
    }

    /// Returns the next page of at most `limit` events. Waits until the log has grown; the page is empty if no new event
    /// matches. The feed goes on later after [`EventPage::next`], or [`EventPage::as_of`] without one. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// If the actor may not read the log, it cannot be read, it was replaced, or the dispatcher is shut down.
    pub async fn next(&mut self, limit: usize) -> Result<EventPage, QueryError> {
        let inner = &self.inner;
        inner.lifecycle.check_query(Caller::Program)?;
        let permission = inner.log_permission;
        inner.permit(Action::Read, "events", permission, self.actor.as_ref())??;
        let read = async {
            let subscription = match &mut self.subscription {
                Some(subscription) => subscription,
                none => {
                    let range = ReadRange::after(self.after);
                    let bounds = self.filter.time_bounds(&*inner.log).await?;
                    let after = bounds.narrow(range).after;
                    let (log, query) = (inner.log.clone(), self.query.clone());
                    none.insert(Subscription::new(log, query, after))
                }
            };
            subscription.next(limit).await
        };
        let refused = inner.lifecycle.refused(Caller::Program);
        let Some(page) = unless(refused, read).await else {
            inner.lifecycle.check_query(Caller::Program)?;
            return Err(Failure::ShutDown.into());
        };
        let mut page = page.map_err(Failure::from)?;
        self.filter.retain(&mut page);
        Ok(page)
    }
}
