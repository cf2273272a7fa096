use std::sync::Arc;

use tokio::sync::Notify;

use super::{Outdated, Partition, SubscriptionKind};
use crate::handler::OnFailure;
use crate::store::{EventQuery, ViewStore};

/// What all shards of a subscription have in common.
pub(crate) struct SubscriptionInfo {
    /// Name of the projection or reaction.
    pub(crate) name: &'static str,
    /// The same in the store, if it was renamed the one that it had before.
    pub(crate) stored_name: &'static str,
    pub(crate) kind: SubscriptionKind,
    /// The version of the projection, if it is not that of the program.
    pub(crate) version: Option<u32>,
    /// Name of the subscription in the store.
    pub(crate) subscription: String,
    /// The events of the subscription.
    pub(crate) query: EventQuery,
    /// By what it may be divided.
    pub(crate) partition: Option<Partition>,
    /// The name of its tag in the store.
    pub(crate) stored_partition: Option<&'static str>,
    /// What becomes of an event that keeps failing.
    pub(crate) on_failure: OnFailure,
    /// The store of its checkpoints.
    pub(crate) views: Arc<dyn ViewStore>,
    /// Wakes the coordinator of this process.
    pub(crate) coordinator: Arc<Notify>,
    /// Whether another process has to handle the events.
    pub(crate) outdated: Outdated,
}
