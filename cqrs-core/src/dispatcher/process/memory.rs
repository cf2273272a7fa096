use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use tokio::task::JoinSet;

use super::held_effects::HeldEffects;
use super::instance::Instance;
use super::outbox::Outbox;
use super::skips::Skips;
use super::timers::Timers;

/// Maximum number of instances in memory.
const MAX_INSTANCES: NonZeroUsize = NonZeroUsize::new(2_000).expect("some");

/// What a process manager has in memory of a shard.
pub(super) struct ProcessMemory {
    /// Instances as they are stored. Nobody else writes them, as long as this process holds the shard.
    pub(super) instances: LruCache<String, Instance>,
    pub(super) timers: Timers,
    pub(super) outbox: Outbox,
    /// The key up to which the instances with commands to send were read. `None` for all of them.
    pub(super) unsent: Option<UnsentPlace>,
    /// The events that operators have skipped. `None` until they were read.
    pub(super) skips: Option<Arc<Skips>>,
    /// What needs a newer program.
    pub(super) held: HeldEffects,
    pub(super) tasks: JoinSet<()>,
    /// Number of tasks that record the event of a deadline.
    pub(super) firing: usize,
}

/// A place in the index of the instances with commands to send.
pub(super) enum UnsentPlace {
    Start,
    After(String),
}

impl Default for ProcessMemory {
    fn default() -> Self {
        Self {
            instances: LruCache::new(MAX_INSTANCES),
            timers: Timers::default(),
            outbox: Outbox::default(),
            unsent: Some(UnsentPlace::Start),
            skips: None,
            held: HeldEffects::default(),
            tasks: JoinSet::new(),
            firing: 0,
        }
    }
}

impl ProcessMemory {
    /// Forgets what was read from the store. What tasks report is true in any case.
    pub(super) fn restart(&mut self) {
        self.instances.clear();
        self.timers = Timers::default();
        self.outbox.clear();
        self.unsent = Some(UnsentPlace::Start);
        self.skips = None;
    }
}
