use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Partition;
use crate::error::{Error, Result};
use crate::store::Recorded;
use crate::views::ErasedBuffer;

/// Maximum number of views whose owners are remembered.
const MAX_OWNERS: usize = 10_000;

/// Notices views of a partitioned projection that change with the events of several ids. Workers in other
/// processes may have the events of the others, and views in memory that do not have these changes. As far
/// as this process remembers, and before the projection is divided, too.
pub(super) struct ViewOwners {
    partition: Partition,
    /// The id whose events have changed a view.
    owners: Mutex<HashMap<(TypeId, String), String>>,
}

impl ViewOwners {
    pub(super) fn new(partition: &'static str) -> Self {
        Self {
            partition: Partition::by_first(partition),
            owners: Mutex::default(),
        }
    }

    pub(super) fn partition(&self) -> &'static str {
        self.partition.tag
    }

    /// Checks the views that the fold of an event has written.
    ///
    /// # Errors
    /// When events of another id have changed one of them.
    pub(super) fn check<'b>(
        &self,
        event: &Recorded,
        buffers: impl Iterator<Item = (&'b TypeId, &'b dyn ErasedBuffer)>,
    ) -> Result<()> {
        let id = self.partition.ids(event).next().unwrap_or_default();
        // Nothing runs while the lock is held that could leave the map in pieces.
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.len() > MAX_OWNERS {
            owners.clear();
        }
        let mut written = Vec::new();
        for (model, buffer) in buffers {
            for key in buffer.written() {
                let view = (*model, key);
                if let Some(owner) = owners.get(&view).filter(|owner| *owner != id) {
                    return Err(Error::message(format!(
                        "view `{}` of `{}` is changed by events of `{partition}:{owner}` and of \
                         `{partition}:{id}`: the views of a projection with `partition` belong to \
                         one id each, since other processes may handle the events of the others",
                        view.1,
                        buffer.schema().table,
                        partition = self.partition.tag,
                    )));
                }
                written.push((view, id.to_owned()));
            }
        }
        // Not those of a fold that fails.
        owners.extend(written);
        Ok(())
    }
}
