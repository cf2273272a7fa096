use std::future::IntoFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3Default;

use super::inner::{CallOptions, CommandSlot, Found, Inner};
use super::load::{Kept, Loaded};
use super::{Dispatcher, Guarded, Receipt, panic_message};
use crate::CommandId;
use crate::error::{CommandError, Failure, Invalid};
use crate::handler::{Actor, CommandFn, CommandScope, Context, Decided, Decision, Loads};
use crate::message::Command;
use crate::store::{Append, AppendError, Appended, BoxFuture, Position, Recorded};

/// A command about to be sent; `.await` sends it.
///
/// Dropping the future while it is awaited leaves the command either done or not done, never half;
/// send it again under the same [`id`](ExecuteCall::id) to learn which.
#[must_use = "a command is sent when the call is awaited"]
pub struct ExecuteCall<'d, C> {
    dispatcher: &'d Dispatcher,
    command: C,
    pub(crate) options: CallOptions,
    /// Where a session notes how far it has written.
    pub(crate) seen: Option<&'d AtomicU64>,
}

impl<'d, C: Command> ExecuteCall<'d, C> {
    pub(crate) fn new(dispatcher: &'d Dispatcher, command: C) -> Self {
        Self {
            dispatcher,
            command,
            options: CallOptions::default(),
            seen: None,
        }
    }

    /// The command's id. The same id again returns the first receipt without running the handler.
    pub fn id(mut self, id: CommandId) -> Self {
        self.options.id = Some(id);
        self
    }

    /// Who sends it.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.options.actor = Some(actor);
        self
    }

    /// The conversation that it belongs to; none said: it begins one.
    pub fn correlation(mut self, correlation: Uuid) -> Self {
        self.options.correlation = Some(correlation);
        self
    }

    /// The event that it is sent because of: takes over its conversation, too.
    pub fn because_of(mut self, event: &Recorded) -> Self {
        self.options.causation = Some(event.id.as_uuid());
        self.options.correlation = Some(event.correlation);
        self
    }
}

impl<'d, C: Command> IntoFuture for ExecuteCall<'d, C> {
    type Output = Result<Receipt, CommandError<C::Error>>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            dispatcher,
            command,
            options,
            seen,
        } = self;
        Box::pin(async move {
            let receipt = dispatcher.inner.execute(command, options).await?;
            if let Some(seen) = seen {
                seen.fetch_max(receipt.last().get(), Ordering::AcqRel);
            }
            Ok(receipt)
        })
    }
}

/// How long a decision waits in line for others about the same aggregate.
const QUEUE: Duration = Duration::from_secs(1);

/// One decision, and what it led to.
enum Attempt {
    Done(Appended),
    Overtaken(Position),
}

impl Inner {
    /// Carries out a command.
    pub(crate) async fn execute<C: Command>(
        &self,
        command: C,
        options: CallOptions,
    ) -> Result<Receipt, CommandError<C::Error>> {
        let found = self.command::<C>().map_err(CommandError::Failed)?;
        let (run, slot) = found.parts();
        let CallOptions {
            id: given,
            actor,
            correlation,
            causation,
            ..
        } = options;
        self.authorize(C::NAME, C::PERMISSION, actor.as_ref())
            .map_err(CommandError::Denied)?;
        command.check().map_err(CommandError::Invalid)?;
        let fingerprint = fingerprint(&command).map_err(CommandError::Invalid)?;
        let id = given.unwrap_or_default();
        if given.is_some()
            && let Some(receipt) = self.processed(id, fingerprint).await?
        {
            return Ok(receipt);
        }
        let call = id.as_uuid();
        let correlation = correlation.unwrap_or(call);
        let causation = causation.unwrap_or(call);
        let mut context = Context {
            command: Some(id),
            correlation,
            causation,
            actor,
            time: self.clock.now(),
        };

        let name = slot.entry.name;
        let mut loads = Loads::default();
        (run.load)(&command, &mut loads);
        let mut loaded = self
            .load(loads.0, name)
            .await
            .map_err(CommandError::Failed)?;
        let mut attempts = 1;
        // Held from the first conflict on, so that decisions about one aggregate wait for each
        // other instead of overtaking each other again and again.
        let mut lane = None;
        loop {
            let decide = Decide {
                run,
                slot,
                context: &context,
                fingerprint,
            };
            let at = match decide.attempt(self, command.clone(), &mut loaded).await {
                Ok(Attempt::Done(appended)) => return Ok(Receipt::new(id, appended)),
                Ok(Attempt::Overtaken(at)) => at,
                Err(error) => {
                    // The same sending may have been carried out meanwhile, and this decision have
                    // seen its events: a product that exists because this very command made it.
                    if given.is_some()
                        && let Some(receipt) = self.processed(id, fingerprint).await?
                    {
                        return Ok(receipt);
                    }
                    return Err(error);
                }
            };
            if attempts >= self.limits.attempts {
                return Err(CommandError::Conflict { at, attempts });
            }
            attempts += 1;
            let first = loaded.loads.first();
            if let Some(load) = first.filter(|_| lane.is_none()) {
                // Waiting in line is a courtesy, not a lock: after a while, try all the same.
                lane = timeout(QUEUE, self.lane(&load.tag).lock()).await.ok();
            } else {
                // The lane was ours and still we were overtaken: by another process, or by a
                // decision whose first aggregate is another one. Step aside for a random while.
                sleep(jitter(attempts)).await;
            }
            context.time = self.clock.now();
            self.reload(&mut loaded, name)
                .await
                .map_err(CommandError::Failed)?;
        }
    }
}

impl Inner {
    /// The receipt of a command that has been carried out.
    async fn processed<E>(
        &self,
        id: CommandId,
        fingerprint: u64,
    ) -> Result<Option<Receipt>, CommandError<E>> {
        let stored = self.store.command(id).await;
        let stored = stored.map_err(|error| CommandError::Failed(error.into()))?;
        let replayed = stored
            .map(|stored| stored.replay(id, fingerprint))
            .transpose();
        let replayed = replayed.map_err(append_failed)?;
        Ok(replayed.map(|appended| Receipt::new(id, appended)))
    }
}

/// What an attempt needs to know.
struct Decide<'a, C: Command> {
    run: &'a CommandFn<C>,
    slot: &'a CommandSlot,
    context: &'a Context,
    fingerprint: u64,
}

impl<C: Command> Decide<'_, C> {
    async fn attempt(
        &self,
        inner: &Inner,
        command: C,
        loaded: &mut Loaded,
    ) -> Result<Attempt, CommandError<C::Error>> {
        let name = self.slot.entry.name;
        let events = self.decide(command, loaded).await?.into_vec();
        let Context {
            correlation,
            causation,
            ref actor,
            time,
            ..
        } = *self.context;
        let mut append = Append {
            command: self.context.command.unwrap_or_default(),
            fingerprint: self.fingerprint,
            events,
            boundary: None,
            states: Vec::new(),
            time,
            actor: actor.as_ref().map(|actor| actor.name().to_owned()),
            correlation,
            causation,
        };
        if !inner.kept.is_empty() {
            let recorded = |head| append.record(head, time).collect();
            let kept = inner
                .kept_states(loaded, &append.events, recorded, name)
                .await;
            match kept.map_err(CommandError::Failed)? {
                Kept::Writes(states) => append.states = states,
                Kept::Overtaken(at) => return Ok(Attempt::Overtaken(at)),
            }
        }
        append.boundary = loaded.boundary();
        let outcome = inner.store.append(append).await;
        loaded.forget_unread();
        match outcome {
            Ok(appended) => Ok(Attempt::Done(appended)),
            Err(AppendError::Conflict { at }) => Ok(Attempt::Overtaken(at)),
            Err(error) => Err(append_failed(error)),
        }
    }

    /// Runs the handler; its panic is an error of this call.
    async fn decide(&self, command: C, loaded: &Loaded) -> Decision<C> {
        let scope = CommandScope {
            context: self.context,
            states: &loaded.loads,
            services: &self.slot.services,
        };
        let handler = self.slot.entry.name;
        let panicked = |message| CommandError::Failed(Failure::Panicked { handler, message });
        let decided = catch_unwind(AssertUnwindSafe(|| (self.run.run)(command, &scope)));
        let decision = match decided {
            Err(panic) => return Err(panicked(panic_message(&*panic))),
            Ok(Decided::Now(decision)) => decision,
            Ok(Decided::Later(future)) => Guarded(future).await.map_err(panicked)?,
        };
        decision.map_err(|error| match error {
            // The handler said that something failed; only here it is known which handler.
            CommandError::Failed(Failure::Handler { source, .. }) => {
                CommandError::Failed(Failure::Handler { handler, source })
            }
            error => error,
        })
    }
}

impl<'a, F, S> Found<'a, F, S> {
    fn parts(&self) -> (&F, &'a S) {
        match self {
            Self::Cell(run, slot) => (run, slot),
            Self::Boxed(run, slot) => (run, slot),
        }
    }
}

/// Of the command's name and JSON, to tell a repeated sending from another command.
fn fingerprint<C: Command>(command: &C) -> Result<u64, Invalid> {
    struct Hash(Xxh3Default);

    impl std::io::Write for Hash {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let mut hash = Hash(Xxh3Default::new());
    hash.0.update(C::NAME.as_bytes());
    serde_json::to_writer(&mut hash, command)
        .map_err(|error| Invalid::new(format!("the command cannot be written as JSON: {error}")))?;
    Ok(hash.0.digest())
}

fn append_failed<E>(error: AppendError) -> CommandError<E> {
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
