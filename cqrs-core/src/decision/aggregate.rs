use std::mem::size_of_val;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use crate::Timestamp;
use crate::error::{Error, Failure};
use crate::handler::{AggregateType, AnyState};
use crate::message::Envelope;
use crate::panic::{guarded, method, panic_message};
use crate::store::Tags;

/// The state of an aggregate. Every call of the user's code for aggregates is here, so that a panic
/// becomes an error that names the function.
pub(crate) struct AggregateState {
    aggregate: &'static AggregateType,
    /// `None` until it is read: most states come from the cache and need no default value.
    state: Option<Box<dyn AnyState>>,
    /// The time of the last event, if an `#[apply]` of the aggregate takes `&Recorded`.
    time: Timestamp,
}

impl AggregateState {
    pub(crate) const fn unread(aggregate: &'static AggregateType) -> Self {
        Self {
            aggregate,
            state: None,
            time: Timestamp::MIN,
        }
    }

    /// The state, once it is read.
    pub(crate) fn get(&self) -> Option<&dyn AnyState> {
        self.state.as_deref()
    }

    /// Creates the default state, unless there is a state.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        if self.state.is_none() {
            self.state = Some(guarded(|| self.method("default"), self.aggregate.new)?);
        }
        Ok(())
    }

    /// Drops the state.
    pub(super) fn reset(&mut self) {
        *self = Self::unread(self.aggregate);
    }

    /// Folds an event.
    pub(super) fn apply(
        &mut self,
        event: &Envelope<'_>,
        tags: &Tags,
        handler: &'static str,
    ) -> Result<(), Failure> {
        self.begin()?;
        let (Some(state), Some(tag)) = (&mut self.state, tags.iter().next()) else {
            return Ok(());
        };
        let applied = catch_unwind(AssertUnwindSafe(|| state.apply(event, tag)));
        if self.aggregate.reads_recorded
            && let Ok(recorded) = event.record()
        {
            self.time = recorded.meta.time;
        }
        match applied {
            Ok(applied) => applied.map_err(|error| Failure::handler(handler, error)),
            Err(panic) => Err(Failure::FunctionPanicked {
                function: self.method("apply").into(),
                event: Some(match event.position() {
                    Some(position) => format!("event `{}` (position {position})", event.event_type),
                    None => format!("the new event `{}`", event.event_type),
                }),
                message: panic_message(&*panic),
            }),
        }
    }

    /// The state as JSON, if it is stored.
    pub(super) fn save(
        &self,
        tags: &Tags,
        handler: &'static str,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        let saved = guarded(|| self.method("serialize"), || state.save())?;
        saved.map_err(|error| {
            let error = Error::message(format!("the state of `{tags}` cannot be stored: {error}"));
            Failure::handler(handler, error)
        })
    }

    /// Restores a stored state. Returns whether it still fits the type.
    pub(super) fn restore(&mut self, body: &[u8]) -> Result<bool, Failure> {
        let restored = guarded(
            || self.method("deserialize"),
            || (self.aggregate.restore)(body),
        )?;
        let fits = restored.is_some();
        if fits {
            self.reset();
            self.state = restored;
        }
        Ok(fits)
    }

    /// Approximate size in bytes, for the bound of the cache. If the measurement panics, the size
    /// of the type.
    pub(super) fn size(&self) -> usize {
        let Some(state) = &self.state else { return 0 };
        catch_unwind(AssertUnwindSafe(|| state.size())).unwrap_or_else(|_| size_of_val(&**state))
    }

    /// The state as JSON, if its type is `Serialize`.
    pub(super) fn json(&self) -> Result<Option<Value>, Failure> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        guarded(|| self.method("serialize"), || state.json())
    }

    /// A copy of the state, if its type is `Clone`. `None` also if that panics: no decision depends on a copy.
    pub(super) fn copy(&self) -> Option<Self> {
        let state = self.state.as_ref()?;
        let copy = catch_unwind(AssertUnwindSafe(|| state.copy())).ok()??;
        Some(Self {
            state: Some(copy),
            ..*self
        })
    }

    /// The lowest time that the next event can have.
    pub(super) fn time(&self) -> Timestamp {
        self.time
    }

    pub(super) fn into_inner(mut self) -> Option<Box<dyn AnyState>> {
        self.state.take()
    }

    fn method(&self, name: &str) -> String {
        method((self.aggregate.type_name)(), name)
    }
}

impl Drop for AggregateState {
    /// Ignores a panic in the `Drop` of a state: the state is gone, and no call depends on it.
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(state)));
        }
    }
}
