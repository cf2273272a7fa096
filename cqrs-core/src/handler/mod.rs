//! What the macros make of annotated functions: a name, a list of inputs and a function pointer.

mod command;
mod context;
mod each;
mod erased;
mod erased_tx;
mod event;
mod failure;
mod fold;
mod input;
mod query;
mod reply;
mod resource;
mod transaction;

pub use crate::source::Source;
pub use command::{
    Bare, Borrowed, CommandFn, CommandInput, CommandScope, Decided, Decides, Decision, DomainError,
    HandlesCommand, Loads, Outcome, Returned,
};
pub(crate) use command::{Inputs, LoadRequest, LoadedState, LoadedStates};
pub use context::Context;
pub use each::{Each, InOneSlice, Listed, ListsSeveral};
pub(crate) use erased::{
    ErasedCommand, ParseCommand, ParseQuery, TypedCommand, parse_command, parse_query,
};
pub use event::{Completion, HandlesEvent, Reacted, ReactionInput, ReactionScope};
pub use failure::Failing;
pub use fold::{
    ApplyInput, Fold, FoldInput, FoldScope, Folded, Projects, Setup, SetupScope, StoredApplyInput,
    any, concerned,
};
pub use input::{AggregateType, AnyState, Input, InputKind, ModelType, ResourceType};
pub use query::{Answer, AnswerFrom, HandlesQuery, QueryFn, QueryInput, QueryScope};
pub(crate) use query::{Answered, QueryInputs};
pub use reply::Reply;
pub(crate) use resource::Provided;
pub use resource::{Res, Resources, Shared};
pub(crate) use transaction::TxSlot;
pub use transaction::{BorrowedMut, LentTx, ReadTx, SetupInput, StoreType, Tx};
