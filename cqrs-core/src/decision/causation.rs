//! Reactions that answer their own events would go on for ever, in one chain or in ever more of them.
//! Which commands a reaction sent, and because of which command's events, is known here, as far back
//! as it matters: it does not depend on what callers say of causes, and is forgotten with the process.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::DecisionLimits;
use crate::CommandId;
use crate::error::Failure;
use crate::store::Recorded;

/// How many commands are remembered: more than one command may cause by default, so that what it
/// causes is counted to the end.
const CAPACITY: usize = 1 << 17;

/// How many links of a chain are named.
const NAMED_LINKS: usize = 8;

tokio::task_local! {
    /// The reaction that this task runs.
    static REACTING: Reacting;
}

struct Reacting {
    reaction: &'static str,
    /// The command of the event that the reaction got.
    command: CommandId,
}

/// Why a command was sent.
#[derive(Clone)]
struct Cause {
    /// How many commands of reactions led to it, with itself. 0 if no reaction sent it.
    depth: u32,
    /// The last of them.
    links: VecDeque<Link>,
    /// How many commands reactions sent because of the chain's first command, in all of its branches.
    caused: Arc<AtomicU32>,
}

#[derive(Clone, Copy)]
struct Link {
    reaction: &'static str,
    command: &'static str,
}

/// The commands that reactions sent lately, and those that caused them.
pub(crate) struct Causes(Mutex<LruCache<CommandId, Cause>>);

impl Default for Causes {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl Causes {
    /// Notes that a command is about to be decided, if this task runs a reaction.
    ///
    /// # Errors
    /// [`Failure::CausationDepth`] when too many commands led to it, [`Failure::CausedCommands`] when
    /// the first of them caused too many.
    pub(super) fn note(
        &self,
        id: CommandId,
        command: &'static str,
        limits: &DecisionLimits,
    ) -> Result<(), Failure> {
        let reacting = REACTING.try_with(|it| (it.reaction, it.command));
        let Ok((reaction, origin)) = reacting else {
            return Ok(());
        };
        // Before the command's events are recorded: a reaction may get one at once.
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if causes.contains(&id) {
            // Sent again, by a reaction that failed or was interrupted.
            return Ok(());
        }
        let cause = causes
            .get_or_insert(origin, Cause::outside)
            .of(Link { reaction, command });
        if cause.depth > limits.causation_depth {
            return Err(Failure::CausationDepth {
                command,
                limit: limits.causation_depth,
                chain: cause.to_string(),
            });
        }
        // Nobody else counts: the lock is held.
        let count = cause.caused.load(Ordering::Relaxed);
        let limit = limits.caused_commands;
        if count >= limit && limit != u32::MAX {
            return Err(Failure::CausedCommands {
                command,
                limit,
                chain: cause.to_string(),
            });
        }
        cause
            .caused
            .store(count.saturating_add(1), Ordering::Relaxed);
        causes.put(id, cause);
        while causes.len() > CAPACITY {
            causes.pop_lru();
        }
        Ok(())
    }
}

/// Runs the future of a reaction to an event.
pub(crate) async fn reacting<F: Future>(
    reaction: &'static str,
    event: &Recorded,
    future: F,
) -> F::Output {
    let command = event.command;
    REACTING.scope(Reacting { reaction, command }, future).await
}

impl Cause {
    /// Of a command that no reaction sent, or that is not remembered.
    fn outside() -> Self {
        Self {
            depth: 0,
            links: VecDeque::new(),
            caused: Arc::default(),
        }
    }

    /// Of a command that a reaction sends because of an event of this one's command.
    fn of(&self, link: Link) -> Self {
        let mut cause = self.clone();
        cause.depth = cause.depth.saturating_add(1);
        cause.links.push_back(link);
        if cause.links.len() > NAMED_LINKS {
            cause.links.pop_front();
        }
        cause
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.links.len() < self.depth as usize {
            f.write_str(".., ")?;
        }
        for (number, Link { reaction, command }) in self.links.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}`{reaction}` sent `{command}`")?;
        }
        Ok(())
    }
}
