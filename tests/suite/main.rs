//! Tests through the public face, in one binary. Each module has its own `cqrs_core::module!()`,
//! so that no dispatcher sees another module's handlers.

mod conformance;
mod dcb;
mod dispatch;
mod failing;
mod follow;
mod reactions;
mod model;
mod shop;
mod sourcing;
mod stores;
mod wiring;
