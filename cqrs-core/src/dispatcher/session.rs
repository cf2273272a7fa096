use std::sync::atomic::{AtomicU64, Ordering};

use super::{Dispatcher, ExecuteCall, QueryCall};
use crate::auth::Actor;
use crate::message::{Command, Query};
use crate::store::Position;

/// A conversation in which every query sees what the commands before it did, and every message
/// comes from the same actor.
pub struct Session {
    dispatcher: Dispatcher,
    actor: Option<Actor>,
    seen: AtomicU64,
}

impl Session {
    pub(crate) fn new(dispatcher: Dispatcher) -> Self {
        Self {
            dispatcher,
            actor: None,
            seen: AtomicU64::new(0),
        }
    }

    /// Who sends the messages.
    #[must_use]
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Goes on from a position that an earlier session reached.
    #[must_use]
    pub fn after_position(self, position: Position) -> Self {
        self.seen.fetch_max(position.get(), Ordering::AcqRel);
        self
    }

    /// See [`Dispatcher::execute`].
    pub fn execute<C: Command>(&self, command: C) -> ExecuteCall<'_, C> {
        let mut call = self.dispatcher.execute(command);
        call.options.actor.clone_from(&self.actor);
        call.seen = Some(&self.seen);
        call
    }

    /// See [`Dispatcher::query`]; waits for what this session has written.
    pub fn query<Q: Query>(&self, query: Q) -> QueryCall<'_, Q> {
        let mut call = self.dispatcher.query(query);
        if let Some(actor) = &self.actor {
            call = call.actor(actor.clone());
        }
        call.seen(&self.seen)
    }

    /// How far the session has written.
    pub fn position(&self) -> Position {
        Position::new(self.seen.load(Ordering::Acquire))
    }
}
