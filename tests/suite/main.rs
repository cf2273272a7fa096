//! Tests through the public face, in one binary. Each module has its own `cqrs_core::module!()`,
//! so that no dispatcher sees another module's handlers.

mod allocations;
mod conformance;
#[cfg(unix)]
mod crash;
mod crates;
mod dcb;
mod dispatch;
mod failing;
mod follow;
mod model;
mod newcomer;
mod reactions;
mod recovery;
mod sabotage;
mod shop;
mod sourcing;
mod stores;
mod wiring;
