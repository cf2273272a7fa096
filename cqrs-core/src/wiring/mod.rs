//! Checks at startup that all registered items fit together.

mod blueprint;
mod earlier_events;
mod earlier_names;
mod permissions;
mod plan;
mod planned_projection;
mod problem;
mod processes;
mod role;
mod rows;
mod scope;
mod services;
mod stores;
mod transactions;
mod unknown_events;
mod view_stores;

pub use problem::{BuildError, Problem};
pub use role::Role;

pub use crate::source::Source;

pub(crate) use plan::{Models, Plan, PlannedModel};
pub(crate) use planned_projection::PlannedProjection;
pub(crate) use problem::Problems;
pub(crate) use processes::PlannedProcess;
pub(crate) use scope::Scope;
pub(crate) use stores::{GivenStores, Stores};
pub(crate) use view_stores::{ViewStores, is_same};
