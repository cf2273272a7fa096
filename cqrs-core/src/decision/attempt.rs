use std::convert::Infallible;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::Span;

use super::causation::{self, Sending};
use super::load::Load;
use super::loaded::Loaded;
use super::{CallOptions, CommandSlot, Decisions, Receipt, nesting};
use crate::CommandId;
use crate::error::{CommandError, Error, Failure, Invalid};
use crate::handler::{CommandScope, Context, ErasedCommand, Loads, Reply, TxSlot};
use crate::message::NewEvents;
use crate::panic::{Guarded, guarded};
use crate::store::{
    Append, AppendError, AppendToken, Appended, ErasedTx, EventData, EventStore, Position,
};
use crate::trace;

/// A command that may be carried out, and all that is said about it.
pub(super) struct Invocation<'a> {
    pub(super) command: &'a dyn ErasedCommand,
    pub(super) slot: &'a CommandSlot,
    pub(super) fingerprint: u64,
    pub(super) options: &'a CallOptions,
    pub(super) span: &'a Span,
}

/// Every kind of [`CommandError`] but a rejection.
type InfraError = CommandError<Infallible>;

/// What came of running the handler.
enum HandlerOutcome {
    /// To be recorded, in the handler's transaction if it has one.
    /// In a box, since it is large and passed on several times.
    Append(Box<Append>, Option<Box<dyn ErasedTx>>),
    /// The handler returned an error, which the command keeps.
    Refused,
    /// The store has no room for an append. The states are as they were.
    Overloaded(AppendError),
    /// The database gave the handler's transaction up for another one.
    Superseded(Position),
}

/// What became of the events of a decision.
enum AppendOutcome {
    Recorded(Appended),
    Superseded(Position),
}

impl Decisions {
    /// Loads, decides and appends, again and again while others are faster. `None` when the
    /// handler returned an error.
    pub(super) async fn decide(
        &self,
        invocation: Invocation<'_>,
    ) -> Result<Option<Receipt>, InfraError> {
        let Invocation {
            command,
            slot,
            fingerprint,
            options,
            span,
            ..
        } = invocation;
        let limit = command.attempts().unwrap_or(self.limits.attempts).max(1);
        let time = self.now().map_err(CommandError::Failed)?;
        let id = options.id.unwrap_or_else(|| CommandId::at(time));
        let sent_before = async || match options.id {
            Some(id) => self.processed(id, fingerprint).await,
            None => Ok(None),
        };
        if let Some(receipt) = sent_before().await? {
            return Ok(Some(receipt));
        }
        let sending = || Sending {
            store: EventStore::store_id(&*self.store),
            command: id,
        };
        causation::note(sending, slot.entry.message, &self.limits).map_err(CommandError::Failed)?;
        let mut attempt = AttemptContext {
            decisions: self,
            command,
            slot,
            fingerprint,
            context: Context {
                command: Some(id),
                correlation: options.correlation.unwrap_or(id.as_uuid()),
                causation: options.causation.unwrap_or(id.as_uuid()),
                actor: options.actor.clone(),
                time,
            },
        };
        trace::identify(span, &attempt.context);
        let mut loaded = self.load_for(command, slot).await?;
        let mut attempts = 1;
        loop {
            // Neither a transaction nor a snapshot can follow an append that is under way. And what
            // decides just once must not find out afterwards that its state was behind.
            let waits = slot.takes_transaction || loaded.is_snapshot_near();
            if waits && loaded.is_speculative() || limit == 1 && !loaded.is_newest {
                self.bring_up_to_date(&mut loaded, slot).await?;
            }
            let deciding = trace::decide(attempts, loaded.loads.len());
            let decided = trace::within!(deciding, attempt.decide(&mut loaded));
            let outcome = match decided {
                Ok(HandlerOutcome::Append(append, tx)) => {
                    let appending = trace::append(append.events.len());
                    trace::within!(appending, attempt.append(append, &mut loaded, tx))
                }
                Ok(HandlerOutcome::Superseded(at)) => Ok(AppendOutcome::Superseded(at)),
                Ok(HandlerOutcome::Overloaded(error)) => Err(append_failed(error)),
                // An append would check the state from the cache, or that a transaction may have
                // outrun; nothing checks a rejection, or events that cannot be folded. If something
                // has happened since, decide again.
                _ if (!loaded.is_newest || slot.takes_transaction)
                    && self.bring_up_to_date(&mut loaded, slot).await? =>
                {
                    if attempts >= limit {
                        let at = *self.store.watch().borrow();
                        return Err(CommandError::Conflict { at, attempts });
                    }
                    attempts += 1;
                    continue;
                }
                // The same sending may have been carried out meanwhile, and this decision have
                // seen its events: a product that exists because this very command made it.
                Ok(HandlerOutcome::Refused) => return sent_before().await,
                Err(error) => return found_or(error, sent_before().await),
            };
            let at = match outcome {
                Ok(AppendOutcome::Recorded(appended)) => {
                    span.record("attempts", attempts);
                    loaded.recorded(appended);
                    return Ok(Some(Receipt::new(id, appended)));
                }
                Ok(AppendOutcome::Superseded(at)) => at,
                Err(error) => {
                    // The next decision need not wait for the answer to this question.
                    drop(loaded);
                    return found_or(error, sent_before().await);
                }
            };
            if attempts >= limit {
                span.record("attempts", attempts);
                return Err(CommandError::Conflict { at, attempts });
            }
            if attempts > 1 {
                // Superseded again: by another process, or by decisions about other aggregates with
                // which this one shares events. Step aside for a random while.
                sleep(jitter(attempts)).await;
            }
            attempts += 1;
            attempt.context.time = self.now().map_err(CommandError::Failed)?;
            let were_passed_on = loaded.loads.is_empty();
            if were_passed_on {
                // It waits for its turn once more.
                loaded = Box::pin(self.load_for(command, slot)).await?;
            }
            if !(were_passed_on && loaded.is_newest) {
                self.bring_up_to_date(&mut loaded, slot).await?;
            }
        }
    }

    async fn load_for(
        &self,
        command: &dyn ErasedCommand,
        slot: &CommandSlot,
    ) -> Result<Loaded<'_>, InfraError> {
        let mut loads = Vec::new();
        let mut add = |request| loads.push(Load::new(request));
        let named = guarded(
            || format!("Display of an id of {}", slot.entry.message),
            || command.load(&mut Loads::new(&mut add)),
        );
        named.map_err(CommandError::Failed)?;
        let loaded = self.load(loads, slot.entry.name).await;
        loaded.map_err(CommandError::Failed)
    }

    async fn bring_up_to_date(
        &self,
        loaded: &mut Loaded<'_>,
        slot: &CommandSlot,
    ) -> Result<bool, InfraError> {
        let changed = Box::pin(self.reload(loaded, slot.entry.name)).await;
        changed.map_err(CommandError::Failed)
    }

    /// The receipt of a command that has been carried out.
    async fn processed(
        &self,
        id: CommandId,
        fingerprint: u64,
    ) -> Result<Option<Receipt>, InfraError> {
        let stored = self.store.command(id).await;
        let stored = stored.map_err(|error| CommandError::Failed(error.into()))?;
        let replayed = stored.map(|stored| stored.replay(id, fingerprint));
        let replayed = replayed.transpose().map_err(append_failed)?;
        Ok(replayed.map(|appended| Receipt::new(id, appended)))
    }
}

/// What an attempt needs to know.
struct AttemptContext<'a> {
    decisions: &'a Decisions,
    command: &'a dyn ErasedCommand,
    slot: &'a CommandSlot,
    fingerprint: u64,
    context: Context,
}

impl AttemptContext<'_> {
    async fn append(
        &self,
        append: Box<Append>,
        loaded: &mut Loaded<'_>,
        tx: Option<Box<dyn ErasedTx>>,
    ) -> Result<AppendOutcome, InfraError> {
        let outcome = match tx {
            None => self.send(append, loaded).await,
            Some(tx) => tx.append(*append).await,
        };
        match outcome {
            Ok(appended) => Ok(AppendOutcome::Recorded(appended)),
            Err(AppendError::Conflict { at }) => Ok(AppendOutcome::Superseded(at)),
            Err(error) => Err(append_failed(error)),
        }
    }

    /// Appends. If the store is not done at once, the next decisions about the same aggregates go
    /// on from what their states will be, and are written with this one or right after it.
    async fn send(
        &self,
        mut append: Box<Append>,
        loaded: &mut Loaded<'_>,
    ) -> Result<Appended, AppendError> {
        let token = loaded.can_pipeline(&append).then(AppendToken::new);
        let command = append.command;
        append.token = token;
        let mut under_way = self.decisions.store.append(*append);
        // Only once it is in the store's queue can another one follow it there.
        let begun = poll_fn(|context| Poll::Ready(under_way.as_mut().poll(context)));
        if let Poll::Ready(outcome) = begun.await {
            return outcome;
        }
        let completion = token.map(|token| loaded.publish_speculative(token, command));
        let outcome = under_way.await;
        if let (Some(completion), Ok(appended)) = (completion, &outcome)
            && !appended.replayed
        {
            completion.complete(appended.last);
        }
        outcome
    }

    async fn decide(&self, loaded: &mut Loaded<'_>) -> Result<HandlerOutcome, InfraError> {
        if self.slot.takes_transaction {
            return Box::pin(self.decide_in_transaction(loaded)).await;
        }
        let Some(events) = self.run(loaded, None).await? else {
            return Ok(HandlerOutcome::Refused);
        };
        if let Err(error) = self.decisions.store.admit() {
            return Ok(HandlerOutcome::Overloaded(error));
        }
        Ok(HandlerOutcome::Append(
            self.prepare(events, loaded).await?,
            None,
        ))
    }

    /// Makes an append of the events, which the states can fold: what could not be read back must
    /// not be recorded.
    async fn prepare(
        &self,
        events: NewEvents,
        loaded: &mut Loaded<'_>,
    ) -> Result<Box<Append>, InfraError> {
        let handler = self.slot.entry.name;
        let limits = self.decisions.store.limits();
        let (events, mut read_back) = events.into_parts();
        let mut append = Box::new(self.unconditional(events));
        limits.check(&append).map_err(append_failed)?;
        nesting::check_events(&append.events, &*self.decisions.store, handler)
            .map_err(CommandError::Failed)?;
        if !self.decisions.stored_aggregates.is_empty() {
            let touched = self.decisions.load_touched(loaded, &append.events, handler);
            Box::pin(touched).await.map_err(CommandError::Failed)?;
        }
        append.boundaries = loaded.boundaries();
        loaded
            .fold_ahead(&append, &read_back, handler)
            .map_err(CommandError::Failed)?;
        if let Some((place, message)) = read_back.discard() {
            let event_type = &append.events[place].event_type;
            // So would every fold of the event, once it is recorded.
            return Err(CommandError::Failed(Failure::FunctionPanicked {
                function: "drop".into(),
                event: Some(format!("the new event `{event_type}`")),
                message,
            }));
        }
        append.states = loaded
            .state_writes(&append, &limits, handler)
            .map_err(CommandError::Failed)?;
        if !append.states.is_empty() {
            limits.check(&append).map_err(append_failed)?;
        }
        Ok(append)
    }

    /// When there are no events, the transaction is rolled back.
    async fn decide_in_transaction(
        &self,
        loaded: &mut Loaded<'_>,
    ) -> Result<HandlerOutcome, InfraError> {
        let store = &self.decisions.store;
        let begun = store.begin_transaction().await;
        let tx = TxSlot::new(begun.map_err(|error| CommandError::Failed(error.into()))?);
        let limit = self.decisions.limits.transaction;
        let handler = self.slot.entry.name;
        let decided = timeout(limit, self.run(loaded, Some(&tx))).await;
        let tx = tx.into_inner();
        // Whatever the handler made of the error, the database has undone what it wrote.
        if tx.as_ref().is_some_and(|tx| tx.is_overtaken()) {
            return Ok(HandlerOutcome::Superseded(*store.watch().borrow()));
        }
        let decided = decided.unwrap_or_else(|_| {
            let failure = Failure::handler(handler, too_long(limit));
            Err(CommandError::Failed(failure))
        });
        match (decided?, tx) {
            (None, _) => Ok(HandlerOutcome::Refused),
            (Some(events), Some(tx)) => {
                let append = self.prepare(events, loaded).await?;
                Ok(HandlerOutcome::Append(append, Some(tx)))
            }
            // Without it, the events would commit and what the handler wrote would not.
            (Some(_), None) => {
                let lost = Error::message("it did not give its transaction back");
                Err(CommandError::Failed(Failure::handler(handler, lost)))
            }
        }
    }

    /// Runs the handler; its panic is an error of this call. The states that it saw are given up
    /// then: nobody knows what it left them in.
    async fn run(
        &self,
        loaded: &mut Loaded<'_>,
        tx: Option<&TxSlot>,
    ) -> Result<Option<NewEvents>, InfraError> {
        let scope = CommandScope {
            command: self.command.as_any(),
            context: &self.context,
            states: &loaded.loads,
            services: &self.slot.services,
            tx,
        };
        let handler = self.slot.entry.name;
        let decided = match Reply::start(|| self.command.decide(&scope)) {
            Ok(Reply::Now(events)) => Ok(events),
            Ok(Reply::Later(future)) => {
                let store = &*self.decisions.store;
                let running = self.decisions.running(handler, Guarded(future));
                let deciding = nesting::deciding(handler, store, &loaded.loads, running);
                // A sync handler has a small future.
                Box::pin(deciding).await
            }
            Err(message) => Err(message),
        };
        decided.map_err(|message| {
            loaded.spoil();
            CommandError::Failed(Failure::Panicked { handler, message })
        })
    }

    fn unconditional(&self, events: Vec<EventData>) -> Append {
        let Context {
            command,
            correlation,
            causation,
            ref actor,
            time,
        } = self.context;
        let append = Append::new(command.unwrap_or_default(), events)
            .fingerprint(self.fingerprint)
            .at(time)
            .correlation(correlation)
            .caused_by(causation);
        match actor {
            Some(actor) => append.by(actor.name()),
            None => append,
        }
    }
}

/// The receipt of a command that failed, if another sending of it was carried out. When that cannot be
/// looked up, the command's own error counts: it may be that nobody knows whether it was carried out.
fn found_or(
    error: InfraError,
    looked_up: Result<Option<Receipt>, InfraError>,
) -> Result<Option<Receipt>, InfraError> {
    match looked_up {
        Ok(Some(receipt)) => Ok(Some(receipt)),
        Ok(None) | Err(CommandError::Failed(_)) => Err(error),
        Err(other) => Err(other),
    }
}

/// What a handler holds in its transaction, others wait for.
fn too_long(limit: Duration) -> Error {
    Error::message(format!(
        "its transaction was open for longer than {limit:?}, which `max_transaction` allows"
    ))
}

fn append_failed(error: AppendError) -> InfraError {
    match error {
        AppendError::CommandMismatch { .. } | AppendError::Invalid { .. } => {
            CommandError::Invalid(Invalid::new(error.to_string()))
        }
        error => CommandError::Failed(Failure::Append(error)),
    }
}

/// A random wait that grows with the attempts, up to 64 ms.
fn jitter(attempts: u32) -> Duration {
    Duration::from_micros(fastrand::u64(0..1000 << attempts.min(6)))
}
