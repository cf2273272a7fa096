//! Commands that are sent at a later time: a process manager of the framework, and the calls for it.

mod change_call;
mod history;
mod listing;
mod manager;
mod schedule_call;
mod scheduled;
mod waiting;

pub use change_call::ScheduleChangeCall;
pub(super) use manager::MANAGER;
pub use schedule_call::{ScheduleCall, Undated};
pub use scheduled::{ScheduleState, Scheduled, ScheduledCall};
pub(crate) use waiting::WaitingCommand;
