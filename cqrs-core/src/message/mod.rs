//! The three kinds of messages, and the aggregates that they concern.

mod aggregate;
mod bounds;
mod cell;
mod command;
mod effects;
mod envelope;
mod event;
mod field;
mod new_commands;
mod probe;
mod query;
mod row_rule;
mod tuples;

pub use aggregate::{Aggregate, Storage};
pub use bounds::{AggregateId, AggregateIds, IdOf, StorableState};
pub(crate) use cell::CellPlace;
pub use cell::HandlerCell;
pub use command::{Command, HasId, HasIdOf, HasIds};
pub use effects::{Cancel, Deadline, EffectKind, Effects, End, IntoEffects, Reschedule};
pub(crate) use effects::{Due, Effect};
pub(crate) use envelope::ReadBack;
pub use envelope::{Decoded, Envelope};
pub(crate) use event::UNREADABLE;
pub use event::{Concerns, ConcernsOneOf, Event, IntoEvents, NewEvents, wire_name};
pub use field::Field;
pub(crate) use new_commands::NewCommand;
pub use new_commands::{IntoCommands, NewCommands};
pub use probe::{CommandProbe, EventProbe, Fallback, NoCommand, NoEvent, Probe, Schemas, Validate};
pub use query::Query;
pub(crate) use row_rule::RowLimits;
pub use row_rule::RowRule;
