#![doc = include_str!("../README.md")]

mod call;
#[cfg(feature = "postgres")]
mod cluster;
mod describe;
mod figures;
mod layer;
mod observe;
#[cfg(feature = "prometheus")]
mod prometheus;

#[cfg(feature = "postgres")]
pub use cluster::ClusterMetrics;
pub use describe::describe;
pub use layer::{has_layer, layer};
pub use observe::observe;
#[cfg(feature = "prometheus")]
pub use prometheus::{NotInstalled, Prometheus};
