//! Tests through the public face, in one binary. Each module has its own `cqrs_core::module!()`,
//! so that no dispatcher sees another module's handlers.

mod dcb;
mod dispatch;
mod shop;
mod stores;
mod wiring;
