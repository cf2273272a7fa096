//! Building and running an application: the dispatcher, its calls and sessions, authorization, the
//! report on the wiring, health and shutdown.
//!
//! ```
//! use std::time::Duration;
//!
//! use cqrs_core::app::Builder;
//! use cqrs_core::prelude::*;
//! # cqrs_core::module!();
//! #
//! # #[derive(Query, Serialize, Deserialize)]
//! # #[query(returns = u32)]
//! # struct Answer;
//! #
//! # #[query_handler]
//! # fn answer(_: Answer) -> u32 {
//! #     42
//! # }
//!
//! fn settings(builder: Builder) -> Builder {
//!     builder.attempts(3).max_message(64 << 10)
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<()> {
//! let builder = Dispatcher::builder().module(module()).store(Memory::new());
//! let app = settings(builder).build().await?;
//! assert_eq!(app.query(Answer).await?, 42);
//! app.shutdown(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```

pub use crate::auth::{AccessRequest, Action, Actor, AllowAll, Authorizer, HeldPermissions};
pub use crate::dispatcher::{
    After, Answer, Bookmark, Builder, Comparison, Dispatcher, EventFeed, ExecuteAndWaitCall,
    ExecuteCall, Health, History, Named, PendingEffect, ProbeResult, Process, ProcessCall,
    QueryCall, Rebuild, Receipt, ScheduleCall, ScheduleChangeCall, ScheduleState, Scheduled,
    ScheduledCall, Session, ShardHealth, StateCacheHealth, StateCall, SubscriptionHealth,
    SubscriptionKind, SubscriptionState, SubscriptionStatus, Subscriptions, Undated, Unfinished,
    VersionHealth, WaitError, Watch,
};
pub use crate::model::{Edge, Field, Model, Node, NodeId, NodeKind, Verb, model};
pub use crate::module::Module;
pub use crate::trace_context::{TraceContext, set_trace_context};
pub use crate::wiring::{BuildError, Problem, Role, Source};
