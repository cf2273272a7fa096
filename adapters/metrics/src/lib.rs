#![doc = include_str!("../README.md")]

mod call;
mod describe;
mod layer;
mod observe;
#[cfg(feature = "prometheus")]
mod prometheus;

pub use describe::describe;
pub use layer::layer;
pub use observe::observe;
#[cfg(feature = "prometheus")]
pub use prometheus::{NotInstalled, Prometheus};
