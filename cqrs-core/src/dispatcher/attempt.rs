use std::convert::Infallible;
use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::time::sleep;

use super::inner::{CallOptions, CommandSlot, Inner};
use super::load::{Kept, Loaded};
use super::{Guarded, Receipt, panic_message};
use crate::CommandId;
use crate::error::{CommandError, Failure, Invalid};
use crate::handler::{CommandScope, Context, Loads};
use crate::message::NewEvents;
use crate::store::{Append, AppendError, Appended, BoxFuture, Position, Recorded};

/// A command without its type. What is generic in [`Inner::execute`] is compiled anew for every
/// command of a domain; what is here is not.
pub(super) trait AnyCommand: Send + Sync {
    /// Says which aggregates to load.
    fn load(&self, loads: &mut Loads);

    /// Runs the handler.
    fn decide<'a>(&'a self, scope: &'a CommandScope<'a>) -> AnyDecided<'a>;
}

/// The events, or `None` when the handler returned an error, which the command keeps.
pub(super) enum AnyDecided<'a> {
    Now(Option<NewEvents>),
    Later(BoxFuture<'a, Option<NewEvents>>),
}

/// A command that may be carried out, and all that is said about it.
pub(super) struct Order<'a> {
    pub(super) command: &'a dyn AnyCommand,
    pub(super) slot: &'a CommandSlot,
    pub(super) fingerprint: u64,
    pub(super) options: &'a CallOptions,
}

/// Every kind of [`CommandError`] but a rejection.
type Problem = CommandError<Infallible>;

/// What became of the events of a decision.
enum Attempt {
    /// They are recorded; with copies, unless no state will go back to the cache.
    Done(Appended, Vec<Recorded>),
    Overtaken(Position),
}

impl Inner {
    /// Loads, decides and appends, again and again while others are faster. `None` when the
    /// handler returned an error.
    pub(super) async fn carry_out(&self, order: Order<'_>) -> Result<Option<Receipt>, Problem> {
        let Order {
            command,
            slot,
            fingerprint,
            options,
        } = order;
        let time = self.clock.now();
        let id = options.id.unwrap_or_else(|| CommandId::at(time));
        let sent_before = async || match options.id {
            Some(id) => self.processed(id, fingerprint).await,
            None => Ok(None),
        };
        if let Some(receipt) = sent_before().await? {
            return Ok(Some(receipt));
        }
        let mut attempt = Decide {
            inner: self,
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
        let mut loads = Loads::default();
        command.load(&mut loads);
        let loaded = self.load(loads.0, slot.entry.name).await;
        let mut loaded = loaded.map_err(CommandError::Failed)?;
        let mut attempts = 1;
        loop {
            let decision = attempt.decide(&loaded).await;
            let events = match decision {
                Ok(Some(events)) => events,
                // An append would check the state from the cache; nothing checks a rejection. If
                // something has happened since, decide again.
                _ if !loaded.is_newest && self.bring_up_to_date(&mut loaded, slot).await? => {
                    continue;
                }
                // The same sending may have been carried out meanwhile, and this decision have
                // seen its events: a product that exists because this very command made it.
                Ok(None) => {
                    loaded.give_back(&self.cache);
                    return sent_before().await;
                }
                Err(error) => return sent_before().await?.map(Some).ok_or(error),
            };
            let at = match attempt.append(events, &mut loaded).await {
                Ok(Attempt::Done(appended, events)) => {
                    loaded.give_back_with(&events, &self.cache);
                    return Ok(Some(Receipt::new(id, appended)));
                }
                Ok(Attempt::Overtaken(at)) => at,
                Err(error) => return sent_before().await?.map(Some).ok_or(error),
            };
            if attempts >= self.limits.attempts {
                return Err(CommandError::Conflict { at, attempts });
            }
            if attempts > 1 {
                // Overtaken again: by another process, or by decisions about other aggregates with
                // which this one shares events. Step aside for a random while.
                sleep(jitter(attempts)).await;
            }
            attempts += 1;
            attempt.context.time = self.clock.now();
            self.bring_up_to_date(&mut loaded, slot).await?;
        }
    }

    async fn bring_up_to_date(
        &self,
        loaded: &mut Loaded,
        slot: &CommandSlot,
    ) -> Result<bool, Problem> {
        let changed = Box::pin(self.reload(loaded, slot.entry.name)).await;
        changed.map_err(CommandError::Failed)
    }

    /// The receipt of a command that has been carried out.
    async fn processed(&self, id: CommandId, fingerprint: u64) -> Result<Option<Receipt>, Problem> {
        let stored = self.store.command(id).await;
        let stored = stored.map_err(|error| CommandError::Failed(error.into()))?;
        let replayed = stored.map(|stored| stored.replay(id, fingerprint));
        let replayed = replayed.transpose().map_err(append_failed)?;
        Ok(replayed.map(|appended| Receipt::new(id, appended)))
    }
}

/// What an attempt needs to know.
struct Decide<'a> {
    inner: &'a Inner,
    command: &'a dyn AnyCommand,
    slot: &'a CommandSlot,
    fingerprint: u64,
    context: Context,
}

impl Decide<'_> {
    async fn append(&self, events: NewEvents, loaded: &mut Loaded) -> Result<Attempt, Problem> {
        let mut append = self.unconditional(events);
        // The copy goes to the store: its payloads have no room to spare.
        let copy = loaded.is_cached().then(|| append.clone());
        let copy = copy.map(|copy| replace(&mut append, copy));
        if !self.inner.kept.is_empty() {
            let recorded = |head| append.clone().record(head, append.time).collect();
            let name = self.slot.entry.name;
            let kept = self
                .inner
                .kept_states(loaded, &append.events, recorded, name);
            match Box::pin(kept).await.map_err(CommandError::Failed)? {
                Kept::Writes(states) => append.states = states,
                Kept::Overtaken(at) => return Ok(Attempt::Overtaken(at)),
            }
        }
        append.states.extend(loaded.snapshots(&append));
        append.boundary = loaded.boundary();
        let outcome = self.inner.store.append(append).await;
        loaded.forget_unread();
        match outcome {
            Ok(appended) => {
                let copy = copy.filter(|_| !appended.replayed);
                let events = copy.map(|copy| {
                    let time = copy.time;
                    copy.record(appended.first.before(), time).collect()
                });
                Ok(Attempt::Done(appended, events.unwrap_or_default()))
            }
            Err(AppendError::Conflict { at }) => Ok(Attempt::Overtaken(at)),
            Err(error) => Err(append_failed(error)),
        }
    }

    /// Runs the handler; its panic is an error of this call.
    async fn decide(&self, loaded: &Loaded) -> Result<Option<NewEvents>, Problem> {
        let scope = CommandScope {
            context: &self.context,
            states: &loaded.loads,
            services: &self.slot.services,
        };
        let handler = self.slot.entry.name;
        let panicked = |message| CommandError::Failed(Failure::Panicked { handler, message });
        match catch_unwind(AssertUnwindSafe(|| self.command.decide(&scope))) {
            Ok(AnyDecided::Now(events)) => Ok(events),
            Ok(AnyDecided::Later(future)) => Guarded(future).await.map_err(panicked),
            Err(panic) => Err(panicked(panic_message(&*panic))),
        }
    }

    fn unconditional(&self, events: NewEvents) -> Append {
        let Context {
            command,
            correlation,
            causation,
            ref actor,
            time,
        } = self.context;
        Append {
            command: command.unwrap_or_default(),
            fingerprint: self.fingerprint,
            events: events.into_vec(),
            boundary: None,
            states: Vec::new(),
            time,
            actor: actor.as_ref().map(|actor| actor.name().to_owned()),
            correlation,
            causation,
        }
    }
}

fn append_failed(error: AppendError) -> Problem {
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
