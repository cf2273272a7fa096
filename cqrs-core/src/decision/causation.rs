//! Bounds chains of reactions. Reactions that respond to their own events would never stop, whether
//! in one chain or in a growing number of branches.
//!
//! This module records the commands that reactions sent, each with the command to whose event the
//! reaction responded. The record does not depend on the causes that callers set, and ends with the
//! process.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use lru::LruCache;

use super::DecisionLimits;
use super::reacting::{CommandRef, RunningReaction};
use crate::error::Failure;

/// Maximum number of commands that are remembered. With the default limits, that is enough to count
/// all commands caused by two commands at the same time.
const CAPACITY: usize = 1 << 18;

/// Maximum number of links that an error names.
const NAMED_LINKS: usize = 8;

/// Shared by all dispatchers of the process, since one may react to events that another has
/// recorded.
static CAUSES: LazyLock<Causes> = LazyLock::new(Causes::default);

/// The cause of a command.
#[derive(Clone)]
struct Cause {
    /// Number of commands sent by reactions that led to this command, itself included. 0 if no
    /// reaction sent it.
    depth: u32,
    /// The last of these commands. `None` if no reaction sent the command, or if it was forgotten.
    link: Option<ChainLink>,
    /// Number of commands that reactions sent because of the chain's first command, in all
    /// branches.
    caused: Arc<AtomicU32>,
}

#[derive(Clone, Copy)]
struct ChainLink {
    reaction: &'static str,
    command: &'static str,
    origin: CommandRef,
}

/// The last links of a chain, in order.
struct Chain {
    links: VecDeque<ChainLink>,
    /// Whether earlier links were left out.
    is_cut: bool,
}

/// The commands that reactions sent recently, and their causes. They are forgotten in the order in
/// which they were recorded, not of their last use: reactions to the oldest command are the most
/// likely to have run.
#[derive(Default)]
struct Causes(Mutex<CauseTable>);

struct CauseTable(LruCache<CommandRef, Cause>);

/// Records a command that a reaction sends and that is about to be decided.
///
/// # Errors
/// [`Failure::CausationDepth`] if too many commands led to it, [`Failure::CausedCommands`] if the
/// first of them caused too many.
pub(super) fn record(
    reaction: &RunningReaction,
    command_ref: CommandRef,
    command: &'static str,
    limits: &DecisionLimits,
) -> Result<(), Failure> {
    CAUSES.record(
        (reaction.name, reaction.origin),
        command_ref,
        command,
        limits,
    )
}

impl Causes {
    fn record(
        &self,
        (reaction, origin): (&'static str, CommandRef),
        command_ref: CommandRef,
        command: &'static str,
        limits: &DecisionLimits,
    ) -> Result<(), Failure> {
        // Recorded before the command has events, since a reaction to one of them may run at once,
        // in another task.
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.0.contains(&command_ref) {
            // A reaction that failed or was interrupted sends its command again, under the same id.
            // It counts once.
            return Ok(());
        }
        let cause = table.cause(origin).of(ChainLink {
            reaction,
            command,
            origin,
        });
        if cause.depth > limits.causation_depth {
            return Err(Failure::CausationDepth {
                command,
                limit: limits.causation_depth,
                chain: table.chain(&cause).to_string(),
            });
        }
        // Relaxed is enough, since counts change under the lock only.
        let count = cause.caused.load(Ordering::Relaxed);
        // The count saturates at `u32::MAX`, which stands for no limit.
        let limit = limits.caused_commands;
        if count >= limit && limit != u32::MAX {
            return Err(Failure::CausedCommands {
                command,
                limit,
                chain: table.chain(&cause).to_string(),
            });
        }
        // A refused command is neither counted nor recorded: it is refused again when it is
        // retried.
        cause
            .caused
            .store(count.saturating_add(1), Ordering::Relaxed);
        table.put(command_ref, cause);
        Ok(())
    }
}

impl CauseTable {
    fn cause(&mut self, command: CommandRef) -> Cause {
        if let Some(cause) = self.0.peek(&command) {
            return cause.clone();
        }
        // Recorded, so that all commands that this one causes share one count.
        let outside = Cause::outside();
        self.put(command, outside.clone());
        outside
    }

    fn put(&mut self, command: CommandRef, cause: Cause) {
        self.0.put(command, cause);
        // All reads are `peek` and `contains`, which do not count as use: the last entry is the
        // oldest.
        if self.0.len() > CAPACITY {
            self.0.pop_lru();
        }
    }

    fn chain(&self, cause: &Cause) -> Chain {
        let mut links = VecDeque::new();
        // From the last link back to the first, as far as the commands are remembered.
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

impl Default for CauseTable {
    fn default() -> Self {
        Self(LruCache::unbounded())
    }
}

impl Cause {
    /// The cause of a command that no reaction sent, or that is not remembered.
    fn outside() -> Self {
        Self {
            depth: 0,
            link: None,
            caused: Arc::default(),
        }
    }

    /// The cause of a command that a reaction sends because of an event of this cause's command.
    fn of(&self, link: ChainLink) -> Self {
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
        let links: Vec<_> = self
            .links
            .iter()
            .map(|link| (link.reaction, link.command))
            .collect();
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
    use uuid::Uuid;

    use super::*;
    use crate::CommandId;

    /// Sends two commands in response to each command's event, in several chains in turn. Returns
    /// the number of commands sent until one is refused, at most `most`.
    fn sent_until_refused(chains: usize, most: usize) -> usize {
        let causes = Causes::default();
        let limits = DecisionLimits::default();
        let store = Uuid::nil();
        let mut ids = (0..).map(|number| CommandId::from(Uuid::from_u128(number)));
        let mut next = || CommandRef {
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
            let command_ref = next();
            if causes
                .record((reaction, origin), command_ref, "Divide", &limits)
                .is_err()
            {
                return sent;
            }
            log.push_back(command_ref);
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
