//! Carries a command from its validation to its receipt: load, decide, append, and again after a
//! conflict with another command. All of these share the state of one attempt, so the file is over 500 lines.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::Span;

use super::causation;
use super::load::Load;
use super::loaded::Loaded;
use super::reacting::{CommandRef, RunningReaction};
use super::{CallOptions, CommandSlot, Decisions, Receipt, nesting};
use crate::CommandId;
use crate::error::{CommandError, Error, Failure, Invalid};
use crate::handler::{CommandScope, Context, ErasedCommand, Reply, TxSlot, WritesSlot};
use crate::message::NewEvents;
use crate::panic::Guarded;
use crate::store::command_time::sent_now;
use crate::store::{
    Admission, Append, AppendError, AppendWrites, Appended, CustomMetadata, ErasedLogTx, EventData,
    EventLog, EventLogExt, EventQuery, Position, ReadRange, TagSlices,
};
use crate::trace;
use crate::trace_context;

/// Every kind of [`CommandError`] but a rejection.
pub(crate) type InfraError = CommandError<Infallible>;

/// The outcome of an attempt.
enum AttemptOutcome {
    Recorded(Appended),
    /// The handler returned an error, which the command keeps.
    Refused,
    /// The attempt was based on states that are not the newest ones.
    Superseded {
        at: Position,
        /// Whether the states have been brought up to date since.
        is_reloaded: bool,
    },
}

/// The outcome of running the handler.
enum Decision {
    /// Events to be recorded, in the handler's transaction if it has one. Boxed, since it is large
    /// and passed on several times.
    Append(Box<Append>, Option<Box<dyn ErasedLogTx>>),
    /// The handler returned an error, which the command keeps.
    Refused,
    /// The store has no room for an append. The states are unchanged.
    Overloaded(AppendError),
    /// The database has aborted the handler's transaction in favor of another one.
    Aborted(Position),
}

impl Decisions {
    /// Carries out a command. Returns `None` if its handler returned an error, which the command
    /// keeps.
    pub(crate) async fn carry_out(
        &self,
        command: &dyn ErasedCommand,
        slot: &CommandSlot,
        options: &CallOptions,
    ) -> Result<Option<Receipt>, InfraError> {
        let checked = command.check()?;
        let fingerprint = command.fingerprint()??;
        if let Err(invalid) = checked {
            let refusing = self.refuse(invalid, options.id, Some(fingerprint));
            // Boxed, as other rare futures are, so that those of all commands are small.
            return Err(Box::pin(refusing).await);
        }
        let span = trace::execute(slot.entry.message, slot.entry.name);
        trace_context::continue_trace(&span, slot.entry.message, &options.metadata);
        let reaction = RunningReaction::current();
        let reserved = match (&reaction, options.id) {
            (Some(reaction), None) => Some(reaction.reserve_id(slot.entry.message, fingerprint)),
            _ => None,
        };
        let call = Call {
            command,
            fingerprint,
            slot,
            options,
            given_id: options.id.or(reserved.as_ref().map(|reserved| reserved.id)),
            reaction: reaction.as_deref(),
            span: &span,
        };
        // Boxed, so that the future of the call is small.
        let decided = sent_now(Box::pin(self.decide(&call)));
        let outcome = trace::within!(span.clone(), decided);
        if let (Some(reserved), Ok(Some(_))) = (reserved, &outcome) {
            reserved.keep();
        }
        trace_outcome(&span, &outcome);
        outcome
    }

    /// The error of a command that is not valid: if its id was used for another one, that is told instead. Without a
    /// fingerprint, the command could not even be read. If the lookup fails, the command's own error is returned.
    pub(crate) async fn refuse(
        &self,
        invalid: Invalid,
        id: Option<CommandId>,
        fingerprint: Option<u64>,
    ) -> InfraError {
        if let Some(id) = id
            && let Ok(Some(stored)) = Box::pin(self.store.command(id)).await
            && fingerprint != Some(stored.fingerprint)
        {
            return Invalid::mismatch(id).into();
        }
        invalid.into()
    }

    /// Decides, unless the command was sent before. Returns `None` if the handler returned an error.
    async fn decide(&self, call: &Call<'_>) -> Result<Option<Receipt>, InfraError> {
        let has_effects = call.slot.may_have_effects;
        // Commands are seldom sent again. If one is, the append finds the first, so this lookup is only for handlers
        // with effects of their own, which should not have them twice, and while commands are being sent again: a store may
        // have to write a batch anew that one of them is in. An event is delivered again to a reaction even more seldom.
        if (has_effects || self.repetitions.are_expected())
            && call.options.id.is_some()
            && let Some(receipt) = self.sent_before(call).await?
        {
            if !has_effects {
                self.repetitions.note();
            }
            return Ok(Some(receipt));
        }
        match self.decide_anew(call).await {
            Ok(Some(receipt)) => Ok(Some(receipt)),
            // The handler may have rejected the effect of an earlier sending: the product exists already because this
            // very command has created it.
            Ok(None) => self.sent_before(call).await,
            Err(error) => found_or(error, self.sent_before(call).await),
        }
    }

    /// Loads, decides and appends, and repeats that after each conflict. Returns `None` if the
    /// handler returned an error.
    async fn decide_anew(&self, call: &Call<'_>) -> Result<Option<Receipt>, InfraError> {
        let time = self.now()?;
        let &Call {
            command,
            slot,
            options,
            reaction,
            span,
            ..
        } = call;
        let id = call.given_id.unwrap_or_else(|| CommandId::assigned(time));
        let is_plain = options.metadata.is_empty() && reaction.is_none();
        let metadata = if is_plain && span.is_disabled() {
            CustomMetadata::default()
        } else {
            metadata(options, reaction, span)?
        };
        // Once per command, and before any of its events can reach a reaction.
        if let Some(reaction) = reaction {
            let command_ref = CommandRef {
                store: self.store.heads().log_id(),
                command: id,
            };
            causation::record(reaction, command_ref, slot.entry.message, &self.limits)?;
        }
        let event = reaction.map(|reaction| (reaction.event, reaction.correlation));
        let (event, conversation) = event.unwrap_or((id.as_uuid(), id.as_uuid()));
        let mut attempt = Attempt {
            decisions: self,
            call,
            context: Context {
                command: Some(id),
                correlation: options.correlation.unwrap_or(conversation),
                causation: options.causation.unwrap_or(event),
                actor: options
                    .actor
                    .as_ref()
                    .map(|it| it.asking(self.authorizer.as_ref())),
                metadata,
                time,
            },
            slices: TagSlices::default(),
        };
        trace::identify(span, &attempt.context);
        let mut loaded = self.load(command, slot).await?;
        let limit = command.attempts().unwrap_or(self.limits.attempts).max(1);
        let mut attempts = 1;
        loop {
            // Three kinds of decisions need states that the log confirms. A transaction, a snapshot or a
            // position of the caller cannot follow an append in flight. A command with a single attempt has none
            // left if its state turns out to be behind. A log that takes one boundary needs one
            // position.
            let waits = slot.takes_transaction
                || loaded.is_snapshot_near()
                || options.unchanged_since.is_some();
            if waits && loaded.is_speculative()
                || limit == 1 && !loaded.is_newest
                || loaded.has_too_many_positions()
            {
                self.bring_up_to_date(&mut loaded, slot).await?;
            }
            if let Some(since) = options.unchanged_since {
                // Boxed, so that the rare case does not enlarge the future of every command.
                Box::pin(self.check_unchanged(&loaded, since)).await?;
            }
            let (at, is_reloaded) = match attempt.run(attempts, &mut loaded).await {
                Ok(AttemptOutcome::Recorded(appended)) => {
                    span.record("attempts", attempts);
                    return Ok(Some(self.receipt(id, appended, attempt.slices)));
                }
                Ok(AttemptOutcome::Refused) => return Ok(None),
                Ok(AttemptOutcome::Superseded { at, is_reloaded }) => (at, is_reloaded),
                Err(error) => return Err(error),
            };
            if attempts >= limit {
                span.record("attempts", attempts);
                return Err(CommandError::Conflict { at, attempts });
            }
            if !is_reloaded {
                if attempts > 1 {
                    // Turns do not prevent conflicts with other processes, nor with decisions about
                    // other aggregates that share events with these. Random pauses break the tie.
                    sleep(jitter(attempts)).await;
                }
                attempt.context.time = self.now()?;
                // Publishing the states has ended their turns, so this decision queues again.
                let were_published = loaded.loads.is_empty();
                if were_published {
                    loaded = Box::pin(self.load(command, slot)).await?;
                }
                // A state from the cache may be the very one that has just caused the conflict, unless
                // it has the event that was in the way. States that were all read just now need no
                // second look at the log.
                if !(were_published && (loaded.is_newest || loaded.includes(at))) {
                    self.bring_up_to_date(&mut loaded, slot).await?;
                }
            }
            attempts += 1;
        }
    }

    async fn bring_up_to_date(
        &self,
        loaded: &mut Loaded<'_>,
        slot: &CommandSlot,
    ) -> Result<bool, Failure> {
        Box::pin(self.reload(loaded, slot.entry.name)).await
    }

    /// Checks that no event up to those that are loaded concerns the aggregates after this position. The boundary of the
    /// append covers those that come later.
    async fn check_unchanged(
        &self,
        loaded: &Loaded<'_>,
        since: Position,
    ) -> Result<(), InfraError> {
        let Some(up_to) = loaded.loads.iter().map(|load| load.state.up_to).max() else {
            let reason = "the command decides about no aggregate, so no position tells whether one has changed";
            return Err(Invalid::new(reason).into());
        };
        let query = EventQuery::Items(loaded.loads.iter().map(Load::item).collect());
        let range = ReadRange {
            up_to: Some(up_to),
            limit: 1,
            ..ReadRange::after(since)
        };
        if up_to <= since {
            return Ok(());
        }
        let page = self.store.read(query, range).await.map_err(Failure::from)?;
        match page.events.first() {
            Some(event) => Err(CommandError::Moved {
                at: event.position,
                since,
            }),
            None => Ok(()),
        }
    }

    /// The receipt of a command that was carried out before. Only an id that is given can be recorded already; a new
    /// one needs no lookup.
    async fn sent_before(&self, call: &Call<'_>) -> Result<Option<Receipt>, InfraError> {
        let Some(id) = call.given_id else {
            return Ok(None);
        };
        let Some(stored) = self.store.command(id).await.map_err(Failure::from)? else {
            return Ok(None);
        };
        let appended = stored.replay(id, call.fingerprint).map_err(append_failed)?;
        Ok(Some(self.receipt(id, appended, TagSlices::default())))
    }

    fn receipt(&self, id: CommandId, appended: Appended, slices: TagSlices) -> Receipt {
        Receipt::new(id, appended, slices, self.store.heads().log_fingerprint())
    }
}

/// A command as it was sent. Its attempts borrow it, so that their futures are small.
struct Call<'a> {
    command: &'a dyn ErasedCommand,
    fingerprint: u64,
    slot: &'a CommandSlot,
    options: &'a CallOptions,
    /// The id that the caller has set, or that a reaction's command has.
    given_id: Option<CommandId>,
    /// The reaction that sends the command.
    reaction: Option<&'a RunningReaction>,
    span: &'a Span,
}

/// The data that all attempts of one command share.
struct Attempt<'a> {
    decisions: &'a Decisions,
    call: &'a Call<'a>,
    context: Context,
    /// Those of the events that were appended.
    slices: TagSlices,
}

impl Attempt<'_> {
    /// Decides once, and appends the events.
    async fn run(
        &mut self,
        number: u32,
        loaded: &mut Loaded<'_>,
    ) -> Result<AttemptOutcome, InfraError> {
        let loads = loaded.loads.len();
        let decided = trace::within!(trace::decide(number, loads), self.decide(loaded));
        match decided {
            Ok(Decision::Append(mut append, tx)) => {
                append.conflicts = number - 1;
                let events = append.events.len();
                trace::within!(trace::append(events), self.append(append, tx, loaded))
            }
            Ok(Decision::Aborted(at)) => Ok(AttemptOutcome::Superseded {
                at,
                is_reloaded: false,
            }),
            Ok(Decision::Overloaded(error)) => Err(append_failed(error)),
            Ok(Decision::Refused) | Err(_) if self.was_superseded(loaded).await? => {
                Ok(AttemptOutcome::Superseded {
                    at: self.decisions.store.heads().position(),
                    is_reloaded: true,
                })
            }
            Ok(Decision::Refused) => Ok(AttemptOutcome::Refused),
            Err(error) => Err(error),
        }
    }

    /// Whether a decision that will not be appended was based on outdated states, which this brings
    /// up to date. An append checks its boundaries; nothing else checks a rejection, or events that
    /// cannot be folded.
    async fn was_superseded(&self, loaded: &mut Loaded<'_>) -> Result<bool, Failure> {
        // The rows that a transaction has read may be of a commit that is not durable yet. A read of the
        // log is answered once everything before it is. The one below does so, if there are states.
        if self.call.slot.takes_transaction && loaded.loads.is_empty() {
            self.decisions.store.head().await?;
        }
        // A transaction may have read rows that were committed after the states were read.
        let may_be_behind = !loaded.is_newest || self.call.slot.takes_transaction;
        Ok(may_be_behind
            && self
                .decisions
                .bring_up_to_date(loaded, self.call.slot)
                .await?)
    }

    async fn decide(&self, loaded: &mut Loaded<'_>) -> Result<Decision, InfraError> {
        if self.call.slot.takes_transaction {
            return Box::pin(self.decide_in_transaction(loaded)).await;
        }
        // A slot for each attempt: the statements of an earlier one are discarded with its events.
        let slot = self.call.slot.takes_writes.then(WritesSlot::default);
        let Some(events) = self.run_handler(loaded, None, slot.as_ref()).await? else {
            return Ok(Decision::Refused);
        };
        let writes = slot.and_then(|slot| slot.take());
        // Asked only of a log that has it, since all capabilities together are many to return.
        if self.decisions.offers.admission
            && let admission = self.decisions.store.capabilities().admission
            && let Some(Err(error)) = admission.map(Admission::admit)
        {
            return Ok(Decision::Overloaded(error));
        }
        let append = self.prepare(events, writes, loaded).await?;
        Ok(Decision::Append(append, None))
    }

    /// Decides in a transaction, which is rolled back if there are no events.
    async fn decide_in_transaction(&self, loaded: &mut Loaded<'_>) -> Result<Decision, InfraError> {
        let store = &self.decisions.store;
        let begun = store.begin_append().await.map_err(Failure::from)?;
        let tx = TxSlot::new(begun);
        // The limit bounds the handler, whose locks others wait for. If it is exceeded, the
        // handler's future is dropped here and the transaction at the end of this function.
        let limit = self.decisions.limits.transaction;
        let handler = self.call.slot.entry.name;
        let decided = timeout(limit, self.run_handler(loaded, Some(&tx), None)).await;
        let tx = tx.into_inner();
        // Checked before the handler's result: the database has undone its writes in any case.
        if tx.as_ref().is_some_and(|tx| tx.should_retry()) {
            return Ok(Decision::Aborted(store.heads().position()));
        }
        let decided = decided.map_err(|_| Failure::handler(handler, open_too_long(limit)))?;
        match (decided?, tx) {
            // Dropping the transaction rolls it back before the states are compared with the log.
            (None, _) => Ok(Decision::Refused),
            (Some(events), Some(tx)) => {
                let append = self.prepare(events, None, loaded).await?;
                Ok(Decision::Append(append, Some(tx)))
            }
            // Without the transaction, the events would commit and the handler's writes would not.
            (Some(_), None) => {
                let lost = Error::message("it did not give its transaction back");
                Err(Failure::handler(handler, lost).into())
            }
        }
    }

    /// Runs the handler. Its panic is an error of this call, and makes the states that it borrowed
    /// unusable: it may have left a mutex or a cell in one of them in any condition.
    async fn run_handler(
        &self,
        loaded: &mut Loaded<'_>,
        tx: Option<&TxSlot<dyn ErasedLogTx>>,
        writes: Option<&WritesSlot>,
    ) -> Result<Option<NewEvents>, Failure> {
        let scope = CommandScope {
            command: self.call.command.as_any(),
            context: &self.context,
            states: &loaded.loads,
            services: &self.call.slot.services,
            tx,
            writes,
        };
        let handler = self.call.slot.entry.name;
        let decided = match Reply::start(|| self.call.command.decide(&scope)) {
            Ok(Reply::Now(events)) => Ok(events),
            Ok(Reply::Later(future)) => {
                let store = &*self.decisions.store;
                let running = self.decisions.running(handler, Guarded(future));
                let deciding = nesting::deciding(handler, store, &loaded.loads, running);
                // Boxed, so that the future of a command with a sync handler is small.
                Box::pin(deciding).await
            }
            Err(message) => Err(message),
        };
        decided.map_err(|message| {
            loaded.spoil();
            Failure::Panicked { handler, message }
        })
    }

    /// Builds the append. Fails if an aggregate cannot fold one of the events, since such an event
    /// must not be recorded.
    async fn prepare(
        &self,
        events: NewEvents,
        writes: Option<AppendWrites>,
        loaded: &mut Loaded<'_>,
    ) -> Result<Box<Append>, InfraError> {
        let handler = self.call.slot.entry.name;
        let Decisions {
            store,
            offers,
            stored_aggregates,
            ..
        } = self.decisions;
        let (events, mut read_back) = events.into_parts();
        let mut append = Box::new(self.unconditional(events));
        append.writes = writes;
        offers.limits.check(&append).map_err(append_failed)?;
        nesting::check_events(&append.events, &**store, handler)?;
        // The new states of these aggregates are written with the events. They are loaded before
        // the boundaries are drawn, which cover them as well.
        if !stored_aggregates.is_empty() {
            let touched = self.decisions.load_touched(loaded, &append.events, handler);
            Box::pin(touched).await?;
        }
        loaded.complete(&mut append, &read_back, handler)?;
        if let Some((place, message)) = read_back.discard() {
            let event_type = &append.events[place].event_type;
            // `Drop` of the decoded event panicked, as it would after each later fold.
            let failure = Failure::FunctionPanicked {
                function: "drop".into(),
                event: Some(format!("the new event `{event_type}`")),
                message,
            };
            return Err(failure.into());
        }
        if !append.states.is_empty() {
            offers.limits.check(&append).map_err(append_failed)?;
        }
        Ok(append)
    }

    /// An append without boundaries and states.
    fn unconditional(&self, events: Vec<EventData>) -> Append {
        let Context {
            command,
            correlation,
            causation,
            ref actor,
            ref metadata,
            time,
        } = self.context;
        let mut append = Append::at_time(command.unwrap_or_default(), events, time);
        append.fingerprint = self.call.fingerprint;
        append.has_given_id = self.call.given_id.is_some();
        append.correlation = correlation;
        append.causation = causation;
        append.actor = actor.as_ref().map(|actor| actor.name().to_owned());
        append.metadata.clone_from(metadata);
        append
    }

    async fn append(
        &mut self,
        append: Box<Append>,
        tx: Option<Box<dyn ErasedLogTx>>,
        loaded: &mut Loaded<'_>,
    ) -> Result<AttemptOutcome, InfraError> {
        self.slices = TagSlices::of(&append.events);
        let outcome = match tx {
            None => loaded.append(&*self.decisions.store, append).await,
            // Commits the handler's writes with the events, or neither.
            Some(tx) => tx.append(*append).await,
        };
        match outcome {
            Ok(appended) => {
                loaded.recorded(appended);
                if appended.replayed {
                    self.decisions.repetitions.note();
                    // The events of an earlier sending may have other tags.
                    self.slices = TagSlices::default();
                }
                Ok(AttemptOutcome::Recorded(appended))
            }
            // The states include events that were refused. They are dirty, so the reload resets
            // them.
            Err(AppendError::Conflict { at }) => Ok(AttemptOutcome::Superseded {
                at,
                is_reloaded: false,
            }),
            Err(error) => Err(append_failed(error)),
        }
    }
}

impl From<Failure> for InfraError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Invalid> for InfraError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// The metadata of a command: its own, and that of the event to which its reaction reacts.
#[cold]
fn metadata(
    options: &CallOptions,
    reaction: Option<&RunningReaction>,
    span: &Span,
) -> Result<CustomMetadata, Invalid> {
    let mut metadata = options.metadata.clone();
    let checked = match reaction {
        None => metadata.check(),
        Some(reaction) => {
            metadata.inherit(&reaction.metadata);
            metadata.check_inherited()
        }
    };
    checked.map_err(Invalid::new)?;
    trace_context::inject(span, &mut metadata);
    Ok(metadata)
}

/// The receipt of a failed command, if an earlier sending of it was recorded. If the lookup fails,
/// the command's own error is returned: it may be the one that leaves the outcome open. A conflict would say that nothing
/// was done, which nobody knows then: the event in the way may be the command's own.
fn found_or(
    error: InfraError,
    found: Result<Option<Receipt>, InfraError>,
) -> Result<Option<Receipt>, InfraError> {
    match found {
        Ok(Some(receipt)) => Ok(Some(receipt)),
        Ok(None) => Err(error),
        Err(CommandError::Failed(failure)) => Err(match error {
            CommandError::Conflict { .. } | CommandError::Moved { .. } => failure.into(),
            error => error,
        }),
        Err(other) => Err(other),
    }
}

/// The error of a handler that exceeds the limit of its transaction.
fn open_too_long(limit: Duration) -> Error {
    Error::message(format!(
        "its transaction was open for longer than {limit:?}, which `max_transaction` allows"
    ))
}

pub(crate) fn append_failed(error: AppendError) -> InfraError {
    match error {
        // Mistakes of the caller: a retry of the same command fails again.
        AppendError::CommandMismatch { command } => {
            CommandError::Invalid(Invalid::mismatch(command))
        }
        AppendError::Invalid { .. } => CommandError::Invalid(Invalid::new(error.to_string())),
        error => CommandError::Failed(Failure::Append(error)),
    }
}

/// A random wait that grows with the attempts, up to 64 ms. It begins short, since others write in the
/// meantime, which may be one more conflict.
fn jitter(attempts: u32) -> Duration {
    Duration::from_micros(fastrand::u64(0..250 << attempts.min(8)))
}

/// Records the outcome of a command in its span. `None` is an error that its handler returned.
fn trace_outcome(execute: &Span, outcome: &Result<Option<Receipt>, CommandError<Infallible>>) {
    if execute.is_disabled() {
        return;
    }
    let word = match outcome {
        Ok(Some(receipt)) => {
            execute.record("events", receipt.events());
            execute.record("position", receipt.last().get());
            if receipt.replayed() {
                "replayed"
            } else {
                "done"
            }
        }
        Ok(None) => "refused",
        Err(CommandError::Rejected(never)) => match *never {},
        Err(CommandError::Conflict { .. }) => "conflict",
        Err(CommandError::Moved { .. }) => "moved",
        Err(CommandError::Invalid(_)) => "invalid",
        Err(CommandError::Denied(_)) => "denied",
        Err(CommandError::Unknown(_)) => "unknown",
        Err(CommandError::Failed(_)) => "failed",
    };
    trace::ends(execute, word);
}
