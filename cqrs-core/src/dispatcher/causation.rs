//! Reactions that answer their own events would go on for ever. Which commands a reaction sent, and
//! because of which command's events, is known here, as far back as it matters: it does not depend
//! on what callers say of causes, and is forgotten with the process.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::Inner;
use crate::CommandId;
use crate::error::Failure;
use crate::store::Recorded;

/// How many commands of reactions are remembered.
const CAPACITY: usize = 4096;

/// How many links of a chain are named.
const NAMED_LINKS: usize = 8;

tokio::task_local! {
    /// The reaction that this task runs.
    static REACTING: Reacting;
}

struct Reacting {
    reaction: &'static str,
    /// The cause of the event's command, if a reaction sent it.
    cause: Option<Arc<Cause>>,
}

/// Why a command was sent.
struct Cause {
    /// How many commands of reactions led to it, with itself.
    depth: u32,
    /// The last of them.
    links: VecDeque<Link>,
}

#[derive(Clone, Copy)]
struct Link {
    reaction: &'static str,
    command: &'static str,
}

/// The commands that reactions sent lately.
pub(crate) struct Causes(Mutex<LruCache<CommandId, Arc<Cause>>>);

impl Default for Causes {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl Causes {
    /// Notes that a command is about to be decided, if this task runs a reaction.
    ///
    /// # Errors
    /// [`Failure::CausationDepth`] when too many commands led to it.
    pub(super) fn note(
        &self,
        id: CommandId,
        command: &'static str,
        limit: u32,
    ) -> Result<(), Failure> {
        let cause = REACTING.try_with(|reacting| reacting.cause_of(command));
        let Ok(cause) = cause else { return Ok(()) };
        if cause.depth > limit {
            return Err(Failure::CausationDepth {
                command,
                limit,
                chain: cause.to_string(),
            });
        }
        // Before its events are recorded: a reaction may get one at once.
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        causes.put(id, Arc::new(cause));
        if causes.len() > CAPACITY {
            causes.pop_lru();
        }
        Ok(())
    }

    fn of(&self, event: &Recorded) -> Option<Arc<Cause>> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        causes.get(&event.command).cloned()
    }
}

impl Inner {
    /// Runs the future of a reaction to an event.
    pub(crate) async fn reacting<F: Future>(
        &self,
        reaction: &'static str,
        event: &Recorded,
        future: F,
    ) -> F::Output {
        let reacting = Reacting {
            reaction,
            cause: self.causes.of(event),
        };
        REACTING.scope(reacting, future).await
    }
}

impl Reacting {
    /// Why the reaction sends a command.
    fn cause_of(&self, command: &'static str) -> Cause {
        let known = self.cause.as_deref();
        let mut links = known.map(|cause| cause.links.clone()).unwrap_or_default();
        links.push_back(Link {
            reaction: self.reaction,
            command,
        });
        if links.len() > NAMED_LINKS {
            links.pop_front();
        }
        Cause {
            depth: known.map_or(0, |cause| cause.depth).saturating_add(1),
            links,
        }
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
