//! Runs process managers: a follower folds their events into instances, sends their commands, and records
//! the events of their deadlines.

mod follower;
mod held_effects;
mod instance;
mod late_events;
mod memory;
mod outbox;
mod process_call;
mod rehearsal;
mod sender;
mod skips;
mod steps;
mod table;
mod timers;
mod upkeep;

pub(crate) use follower::Instances;
pub(super) use instance::sent_id;
pub use process_call::{PendingEffect, Process, ProcessCall};
pub(crate) use rehearsal::{Rehearsal, Rehearsed, RehearsedEvent};
pub(crate) use table::InstanceTable;
