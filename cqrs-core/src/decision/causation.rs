//! Reactions that answer their own events would go on for ever, in one chain or in ever more of them.
//! Which commands a reaction sent, and because of which command's events, is known here, as far back
//! as it matters: it does not depend on what callers say of causes, and is forgotten with the process.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use lru::LruCache;
use uuid::Uuid;

use super::DecisionLimits;
use crate::CommandId;
use crate::error::Failure;

/// How many commands are remembered: so many that what two commands cause at the same time is counted
/// to the end, by default.
const CAPACITY: usize = 1 << 18;

/// How many links of a chain are named.
const NAMED_LINKS: usize = 8;

/// Of all dispatchers of the process, since one may react to what another one has recorded.
static CAUSES: LazyLock<Causes> = LazyLock::new(Causes::default);

tokio::task_local! {
    /// The reaction that this task runs.
    static REACTING: Reacting;
}

/// A command, and the store that it is recorded in: two stores may have commands of one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sending {
    pub(crate) store: Uuid,
    pub(crate) command: CommandId,
}

#[derive(Clone, Copy)]
struct Reacting {
    reaction: &'static str,
    /// The command of the event that the reaction got.
    origin: Sending,
}

/// Why a command was sent.
#[derive(Clone)]
struct Cause {
    /// How many commands of reactions led to it, with itself. 0 if no reaction sent it.
    depth: u32,
    /// The last of them. `None` if no reaction sent it, or that is not remembered.
    link: Option<Link>,
    /// How many commands reactions sent because of the chain's first command, in all of its branches.
    caused: Arc<AtomicU32>,
}

#[derive(Clone, Copy)]
struct Link {
    reaction: &'static str,
    command: &'static str,
    origin: Sending,
}

/// The last links of a chain, in order.
struct Chain {
    links: VecDeque<Link>,
    /// Whether there are others before them.
    is_cut: bool,
}

/// The commands that reactions sent lately, and those that caused them. The one that was noted first
/// is forgotten first, which is not the one that was used last: that has had its reactions.
#[derive(Default)]
struct Causes(Mutex<Noted>);

struct Noted(LruCache<Sending, Cause>);

/// Notes that a command is about to be decided, if this task runs a reaction.
///
/// # Errors
/// [`Failure::CausationDepth`] when too many commands led to it, [`Failure::CausedCommands`] when
/// the first of them caused too many.
pub(super) fn note(
    sending: impl FnOnce() -> Sending,
    command: &'static str,
    limits: &DecisionLimits,
) -> Result<(), Failure> {
    let Ok(reacting) = REACTING.try_with(|it| *it) else {
        return Ok(());
    };
    CAUSES.note(reacting, sending(), command, limits)
}

/// Runs the future of a reaction to an event of the command `origin`.
pub(crate) async fn reacting<F: Future>(
    reaction: &'static str,
    origin: Sending,
    future: F,
) -> F::Output {
    REACTING.scope(Reacting { reaction, origin }, future).await
}

impl Causes {
    fn note(
        &self,
        Reacting { reaction, origin }: Reacting,
        sending: Sending,
        command: &'static str,
        limits: &DecisionLimits,
    ) -> Result<(), Failure> {
        // Before the command's events are recorded: a reaction may get one at once.
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.0.contains(&sending) {
            // Sent again, by a reaction that failed or was interrupted.
            return Ok(());
        }
        let cause = noted.cause(origin).of(Link {
            reaction,
            command,
            origin,
        });
        if cause.depth > limits.causation_depth {
            return Err(Failure::CausationDepth {
                command,
                limit: limits.causation_depth,
                chain: noted.chain(&cause).to_string(),
            });
        }
        // Nobody else counts: the lock is held.
        let count = cause.caused.load(Ordering::Relaxed);
        let limit = limits.caused_commands;
        if count >= limit && limit != u32::MAX {
            return Err(Failure::CausedCommands {
                command,
                limit,
                chain: noted.chain(&cause).to_string(),
            });
        }
        cause
            .caused
            .store(count.saturating_add(1), Ordering::Relaxed);
        noted.put(sending, cause);
        Ok(())
    }
}

impl Noted {
    fn cause(&mut self, command: Sending) -> Cause {
        if let Some(cause) = self.0.peek(&command) {
            return cause.clone();
        }
        let outside = Cause::outside();
        self.put(command, outside.clone());
        outside
    }

    fn put(&mut self, command: Sending, cause: Cause) {
        self.0.put(command, cause);
        if self.0.len() > CAPACITY {
            self.0.pop_lru();
        }
    }

    fn chain(&self, cause: &Cause) -> Chain {
        let mut links = VecDeque::new();
        let mut next = cause.link;
        while let Some(link) = next
            && links.len() < NAMED_LINKS
        {
            links.push_front(link);
            next = self.0.peek(&link.origin).and_then(|cause| cause.link);
        }
        let is_cut = links.len() < cause.depth as usize;
        Chain { links, is_cut }
    }
}

impl Default for Noted {
    fn default() -> Self {
        Self(LruCache::unbounded())
    }
}

impl Cause {
    /// Of a command that no reaction sent, or that is not remembered.
    fn outside() -> Self {
        Self {
            depth: 0,
            link: None,
            caused: Arc::default(),
        }
    }

    /// Of a command that a reaction sends because of an event of this one's command.
    fn of(&self, link: Link) -> Self {
        Self {
            depth: self.depth.saturating_add(1),
            link: Some(link),
            caused: self.caused.clone(),
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_cut {
            f.write_str(".., ")?;
        }
        let links = self.links.iter().map(|link| (link.reaction, link.command));
        let links: Vec<_> = links.collect();
        for (number, run) in links.chunk_by(|a, b| a == b).enumerate() {
            let (reaction, command) = run[0];
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}`{reaction}` sent `{command}`")?;
            if run.len() > 1 {
                write!(f, " {} times", run.len())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands whose event a reaction answers with two of them, those of several chains in turn.
    /// How many are sent until one fails, at most this many.
    fn sent_until_refused(chains: usize, most: usize) -> usize {
        let causes = Causes::default();
        let limits = DecisionLimits::default();
        let store = Uuid::nil();
        let mut ids = (0..).map(|number| CommandId::from(Uuid::from_u128(number)));
        let mut next = || Sending {
            store,
            command: ids.next().unwrap(),
        };
        let mut log: VecDeque<_> = (0..chains).map(|_| next()).collect();
        for sent in 0..most {
            let origin = log[0];
            if sent % 2 == 1 {
                log.pop_front();
            }
            let reaction = "divide";
            let reacting = Reacting { reaction, origin };
            let sending = next();
            if causes.note(reacting, sending, "Divide", &limits).is_err() {
                return sent;
            }
            log.push_back(sending);
        }
        most
    }

    #[test]
    fn chains_that_branch_at_the_same_time_are_each_counted_to_the_end() {
        for chains in 1..=3 {
            let limit = DecisionLimits::default().caused_commands as usize;
            let sent = sent_until_refused(chains, 10 * limit);
            assert!(sent <= chains * limit, "{chains} chains: {sent}");
        }
    }
}
