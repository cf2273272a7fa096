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

mod support;

// The contract of stores, and the framework on each of them.
mod capabilities;
mod conformance;
mod layouts;
mod limits;
mod memory_tail;
mod model;
mod options;
mod plans;
mod read_only;
mod replica;
mod sabotage;
mod stored_rows;
mod stuck;

// Commands and queries.
mod arrays;
mod attempts;
mod authorization;
mod cancellation;
mod crowds;
mod depth;
mod dispatch;
mod doubt;
mod holds;
mod nesting;
mod newer_programs;
mod once;
mod one_key;
mod operations;
mod overload;
mod own_writes;
mod pipelining;
mod repetitions;
mod roundabout;
mod rows;
mod units;

// Decisions and what they load.
mod cache;
mod dcb;
mod destructors;
mod first_loads;
mod floats;
mod golden;
mod named_states;
mod namesakes;
mod readable;
mod registered;
mod renames;
mod snapshots;
mod sourcing;
mod upcast_states;
mod upcasting;
mod wide_decisions;

// Projections, reactions and read models.
mod apart;
mod awaited_shards;
mod chains;
mod custom_metadata;
mod failing;
mod fallbacks;
mod follow;
mod idle;
mod large_views;
mod loads;
mod losses;
mod one_by_one;
mod one_read;
mod parking;
mod parking_model;
mod pauses;
mod poison;
mod reactions;
mod releases;
mod returned_commands;
mod rewinds;
mod unchanged;
mod versions;
mod view_commits;
mod views;
mod watch;
mod wide_folds;
mod workers;
mod writes;

// SQL of handlers.
mod transactions;

// Wiring, start and end.
mod bike_rental;
mod crates;
mod divisions;
mod doubled;
mod fixtures;
mod paging;
mod panics;
mod probes;
mod process_fixtures;
mod process_model;
mod processes;
mod reports;
mod roles;
mod schedules;
mod schema_lock;
mod secrets;
mod senders;
mod services;
mod shards;
mod shop;
mod shutdown;
mod spans;
mod who_did_what;
mod wiring;
mod wiring_processes;

// Failures of machines, networks and databases.
mod budget;
#[cfg(unix)]
mod chaos;
mod cluster_health;
mod connecting;
mod contention;
#[cfg(unix)]
mod crash;
#[cfg(unix)]
mod durability;
mod failover;
mod hosts;
mod interleavings;
mod lost_events;
mod outage;
mod pooler;
mod recovery;
#[cfg(unix)]
mod replaced_files;
mod standstill;
mod timeouts;
mod umadb;
mod unflushed_views;
mod unknown_events;

// The repository: its texts, manifests and layers.
mod allocations;
mod dependencies;
mod guides;
mod habits;
mod layers;
mod links;
mod manifests;
mod moves;
mod names;
mod readme_example;
mod setup;
mod template;
