//! Annotated functions, as the macros register them: a name, a list of inputs and a function
//! pointer.

mod command;
mod context;
mod each;
mod erased;
mod erased_tx;
mod event;
mod failure;
mod fold;
mod input;
mod on_failure;
mod process_manager;
mod query;
mod reader;
mod reply;
mod service;
mod step;
mod transaction;
mod upcaster;
mod writes;

pub use crate::source::Source;
pub use command::{
    BareEvents, Borrowed, CommandFn, CommandHandler, CommandInput, CommandReply, CommandScope,
    DecisionResult, DomainError, IntoDecision, Loads, ReturnForm, ReturnType,
};
pub(crate) use command::{Inputs, LoadRequest, LoadedState, LoadedStates};
pub use context::Context;
pub use each::{Each, InOneSlice, InOneVec, Listed, ListsSeveral};
pub use erased::{ErasedCommand, ErasedQuery};
pub(crate) use erased::{Parse, TypedCommand, parse_command, parse_query};
pub use event::{
    BareCommands, EventHandler, HandledEvent, IntoHandlerResult, IntoReaction, ReactionForm,
    ReactionInput, ReactionOutput, ReactionReply, ReactionScope,
};
pub use failure::IntoHandlerError;
pub use fold::{
    ApplyInput, Fold, FoldInput, FoldReply, FoldScope, Projection, Setup, SetupScope,
    StoredApplyInput, any, concerned,
};
pub use input::{AggregateType, AnyState, Input, InputKind, ModelType, ServiceType};
pub(crate) use input::{rebuilt_table_of, table_of};
pub use on_failure::OnFailure;
pub(crate) use process_manager::{ANY_COMMAND, ErasedProcess, Rejection, TypedProcess};
pub use process_manager::{
    BareEffects, IntoStep, ProcessManager, ProcessState, RejectionReason, Step, StepForm, StepKind,
    StepOutput, StepScope,
};
pub use query::{IntoAnswer, QueryFn, QueryHandler, QueryInput, QueryReply, QueryScope};
pub(crate) use query::{QueryInputs, QueryResult};
pub(crate) use reader::ReaderStore;
pub use reader::{ReadTx, Reader, StoreType};
pub use reply::Reply;
pub(crate) use service::{ErasedService, ProvidedService};
pub use service::{Service, Services, Shareable};
pub use step::{
    Correlated, CorrelationId, ReasonOf, RejectedCommand, RejectedInput, StepInput, correlated,
};
pub(crate) use transaction::TxSlot;
pub use transaction::{BorrowedMut, SetupInput, Tx, TxGuard};
pub use upcaster::{UpcastResult, Upcaster, upcast_to_event, upcast_to_option, upcast_to_result};
pub(crate) use writes::WritesSlot;
pub use writes::{Writes, WritesGuard};
