//! Tests through the public face, in one binary. Each module has its own `cqrs_core::module!()`,
//! so that no dispatcher sees another module's handlers.

// The domains here are as users write them, and as small as the test allows: a fold that changes
// nothing, a `Result` that is always `Ok`.
#![allow(
    clippy::unnecessary_wraps,
    clippy::unused_async,
    clippy::unused_self,
    clippy::items_after_statements,
    clippy::struct_field_names
)]

mod allocations;
mod arrays;
mod at_hand;
mod attempts;
mod authorization;
mod cache;
mod cancellation;
mod chains;
mod compile_errors;
mod conformance;
mod connecting;
mod cost;
#[cfg(unix)]
mod crash;
mod crates;
mod crowds;
mod dcb;
mod depth;
mod destructors;
mod dispatch;
mod doubt;
mod failing;
mod failover;
mod fixtures;
mod floats;
mod follow;
mod golden;
mod large_views;
mod layers;
mod limits;
mod links;
mod loads;
mod manifests;
mod model;
mod namesakes;
mod nesting;
mod newcomer;
mod once;
mod options;
mod outage;
mod overload;
mod panics;
mod patience;
mod pooler;
mod postgres;
mod reactions;
mod read_only;
mod readable;
mod recovery;
#[cfg(unix)]
mod replaced_files;
mod replica;
mod reports;
mod roundabout;
mod sabotage;
mod secrets;
mod services;
mod setup;
mod shop;
mod shutdown;
mod snapshots;
mod sourcing;
mod spans;
mod standstill;
mod stores;
mod support;
mod transactions;
mod under_way;
mod units;
mod views;
mod wide_decisions;
mod wide_folds;
mod wiring;
mod workers;
