use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::wanted::Wanted;
use super::{After, Bookmark, Dispatcher, ExecuteCall, Named, QueryCall, Receipt, Watch};
use crate::auth::Actor;
use crate::message::{Command, Query};
use crate::store::{CustomMetadata, Position};

/// A conversation in which every query sees the events of the commands before it, and every message
/// has the same actor. Created by [`Dispatcher::session`].
pub struct Session {
    dispatcher: Dispatcher,
    actor: Option<Actor>,
    metadata: CustomMetadata,
    written: SessionWrites,
    /// A bookmark of another log, with which queries fail.
    foreign: Option<Bookmark>,
}

/// What a session has written so far.
#[derive(Default)]
pub(super) struct SessionWrites(Mutex<Wanted>);

impl SessionWrites {
    /// Notes the result of a command, for which the next queries wait.
    pub(super) fn note(&self, receipt: &Receipt) {
        self.wanted().add(receipt.bookmark());
    }

    /// What a query waits for that is asked now.
    pub(super) fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    pub(super) fn new(dispatcher: Dispatcher) -> Self {
        Self {
            dispatcher,
            actor: None,
            metadata: CustomMetadata::default(),
            written: SessionWrites::default(),
            foreign: None,
        }
    }

    /// Sets the actor that sends the messages. Defaults to none.
    #[must_use]
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Adds custom metadata to the commands. A command may replace it.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.set(key, value);
        self
    }

    /// Continues from the [`bookmark`](Session::bookmark) of an earlier session, or after the receipt
    /// of a command, of this process or another one. With one of another log, queries fail as invalid.
    #[must_use]
    pub fn after(mut self, earlier: impl After) -> Self {
        let bookmark = earlier.bookmark();
        if self.dispatcher.is_of_log(bookmark) {
            self.written.wanted().add(bookmark);
            return self;
        }
        self.foreign = Some(bookmark);
        self
    }

    /// Continues from the [`position`](Session::position) of an earlier session.
    #[must_use]
    pub fn after_position(self, position: Position) -> Self {
        self.written.wanted().add_all_up_to(position);
        self
    }

    /// See [`Dispatcher::execute`].
    pub fn execute<C: Command>(&self, command: C) -> ExecuteCall<'_, C> {
        self.executing(self.dispatcher.execute(command))
    }

    /// See [`Dispatcher::execute_json`].
    pub fn execute_json<'s>(&'s self, name: &'s str, json: &'s [u8]) -> ExecuteCall<'s, Named<'s>> {
        self.executing(self.dispatcher.execute_json(name, json))
    }

    /// See [`Dispatcher::query`]. Waits for everything that this session has written, unless the call is
    /// [`stale`](QueryCall::stale).
    pub fn query<Q: Query>(&self, query: Q) -> QueryCall<'_, Q> {
        self.asking(self.dispatcher.query(query))
    }

    /// See [`Dispatcher::query_json`]. Waits as [`query`](Session::query) does.
    pub fn query_json<'s>(&'s self, name: &'s str, json: &'s [u8]) -> QueryCall<'s, Named<'s>> {
        self.asking(self.dispatcher.query_json(name, json))
    }

    /// See [`Dispatcher::watch`]. Each answer has everything that this session has written by now.
    pub fn watch<Q: Query + Clone>(&self, query: Q) -> Watch<Q::Output> {
        self.watching(self.dispatcher.watch(query))
    }

    /// See [`Dispatcher::watch_json`]. Each answer has everything that this session has written by now.
    pub fn watch_json(&self, name: &str, json: &[u8]) -> Watch<Value> {
        self.watching(self.dispatcher.watch_json(name, json))
    }

    /// The position up to which the session has written.
    pub fn position(&self) -> Position {
        self.written.wanted().position()
    }

    /// The place up to which the session has written, to be passed on as text: a session in any process
    /// can continue from there. A bookmark of another log, with which queries of this session fail, is not handed
    /// on.
    pub fn bookmark(&self) -> Bookmark {
        self.dispatcher.bookmark(&self.written.wanted())
    }

    fn executing<'s, C>(&'s self, mut call: ExecuteCall<'s, C>) -> ExecuteCall<'s, C> {
        call.options.actor.clone_from(&self.actor);
        call.options.metadata.clone_from(&self.metadata);
        call.written = Some(&self.written);
        call
    }

    fn asking<'s, Q>(&'s self, call: QueryCall<'s, Q>) -> QueryCall<'s, Q> {
        let mut call = call.written(&self.written);
        if let Some(foreign) = self.foreign {
            call = call.after(foreign);
        }
        match &self.actor {
            Some(actor) => call.actor(actor.clone()),
            None => call,
        }
    }

    fn watching<A>(&self, watch: Watch<A>) -> Watch<A> {
        let mut watch = watch.after_wanted(&self.written.wanted());
        if let Some(foreign) = self.foreign {
            watch = watch.after(foreign);
        }
        match &self.actor {
            Some(actor) => watch.actor(actor.clone()),
            None => watch,
        }
    }
}
