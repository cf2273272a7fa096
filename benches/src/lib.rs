//! Compares this framework with its peers and with hand-written baselines, in one run.

pub mod args;
pub mod callers;
pub mod cargo;
pub mod cluster;
pub mod cost;
pub mod digits;
pub mod dispatch;
pub mod domain;
pub mod follow;
pub mod goal;
pub mod history;
pub mod http;
pub mod load;
pub mod machine;
pub mod measured;
pub mod memory;
pub mod peer;
pub mod postgres;
pub mod processes;
pub mod read_model;
pub mod report;
pub mod runs;
pub mod sqlite;
pub mod tables;
pub mod umadb;
pub mod versions;

/// Any error ends the benchmark with its message.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;
