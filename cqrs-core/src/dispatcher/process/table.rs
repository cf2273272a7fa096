use std::ops::Bound;
use std::sync::Arc;

use super::instance::{DUE, Instance, UNSENT};
use crate::Timestamp;
use crate::error::Result;
use crate::handler::table_of;
use crate::store::{
    IndexRange, ModelSchema, ParkedKey, SortKey, StoreError, StoredView, ViewPlace, ViewScan,
    ViewStore,
};

/// Number of instances that are read from an index at a time.
const PAGE: u64 = 1_000;

/// The instances of a process manager in its view store.
#[derive(Clone)]
pub(crate) struct InstanceTable {
    pub(super) views: Arc<dyn ViewStore>,
    pub(super) model: Arc<ModelSchema>,
}

/// A page of keys from an index.
pub(crate) struct KeyPage<T> {
    pub(crate) keys: Vec<T>,
    /// Whether there may be more.
    pub(crate) has_more: bool,
}

impl InstanceTable {
    /// The instances of the process manager with this name.
    pub(crate) fn new(name: &str, views: Arc<dyn ViewStore>) -> Self {
        let model = Arc::new(Self::schema(name));
        Self { views, model }
    }

    pub(crate) fn schema(name: &str) -> ModelSchema {
        let mut indexes = vec![""; 2];
        indexes[DUE] = "due";
        indexes[UNSENT] = "unsent";
        ModelSchema {
            table: table_of(name, 0, "process"),
            indexes,
        }
    }

    /// Whether an instance other than these has a command to send, or something to do by now.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn is_busy(
        &self,
        now: Timestamp,
        parked: &[ParkedKey],
    ) -> Result<bool, StoreError> {
        let due = IndexRange {
            index: DUE,
            from: Bound::Included(SortKey::of(&Some(Timestamp::MIN))),
            to: Bound::Included(SortKey::of(&Some(now))),
        };
        for range in [unsent(), due] {
            let mut after = None;
            loop {
                let KeyPage { keys, has_more } = self.keys(range.clone(), after).await?;
                let mut free = keys
                    .iter()
                    .filter(|key| !parked.iter().any(|it| it.key == **key));
                if free.next().is_some() {
                    return Ok(true);
                }
                after = keys.into_iter().next_back().filter(|_| has_more);
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(false)
    }

    /// The instances with these keys, in their order.
    pub(super) async fn load(&self, keys: Vec<String>) -> Result<Vec<Option<Instance>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self
            .views
            .load_to_fold(self.model.clone(), keys.clone())
            .await?;
        let instances = keys
            .iter()
            .zip(stored)
            .map(|(key, StoredView { body, .. })| {
                let body = body.as_deref();
                body.map(|body| Instance::read(key, body)).transpose()
            });
        instances.collect()
    }

    /// The keys of all instances, after a key, in the order of keys.
    pub(crate) async fn keys_after(
        &self,
        after: Option<String>,
    ) -> Result<KeyPage<String>, StoreError> {
        let all = IndexRange {
            index: DUE,
            from: Bound::Unbounded,
            to: Bound::Unbounded,
        };
        self.keys(all, after).await
    }

    /// The keys of instances that have commands to send, after a key, in the order of keys.
    pub(super) async fn unsent(
        &self,
        after: Option<String>,
    ) -> Result<KeyPage<String>, StoreError> {
        self.keys(unsent(), after).await
    }

    /// The keys in a range of an index, after a key, in the order of keys.
    async fn keys(
        &self,
        range: IndexRange,
        after: Option<String>,
    ) -> Result<KeyPage<String>, StoreError> {
        let after = after.map(|key| ViewPlace {
            sort_key: None,
            key,
        });
        let rows = self.scan(range, None, after).await?;
        let has_more = rows.len() as u64 == PAGE;
        let keys = rows.into_iter().map(|(key, _)| key).collect();
        Ok(KeyPage { keys, has_more })
    }

    /// The instances to which something happens next, after this place, in the order of time.
    pub(super) async fn due(
        &self,
        after: Option<(Timestamp, String)>,
    ) -> Result<KeyPage<(String, Timestamp)>> {
        let range = IndexRange {
            index: DUE,
            from: Bound::Included(SortKey::of(&Some(Timestamp::MIN))),
            to: Bound::Unbounded,
        };
        let after = after.map(|(time, key)| ViewPlace {
            sort_key: Some(SortKey::of(&Some(time))),
            key,
        });
        let rows = self.scan(range, Some(DUE), after).await?;
        let has_more = rows.len() as u64 == PAGE;
        let mut keys = Vec::with_capacity(rows.len());
        for (key, body) in rows {
            let instance = Instance::read(&key, &body)?;
            keys.extend(instance.due().map(|time| (key, time)));
        }
        Ok(KeyPage { keys, has_more })
    }

    async fn scan(
        &self,
        range: IndexRange,
        order: Option<usize>,
        after: Option<ViewPlace>,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let page = self
            .views
            .scan(ViewScan {
                model: self.model.clone(),
                ranges: vec![range],
                order,
                descending: false,
                after,
                skip: 0,
                take: PAGE,
                with_total: false,
            })
            .await?;
        Ok(page.rows)
    }
}

/// The instances that have commands to send.
fn unsent() -> IndexRange {
    let is_unsent = SortKey::of(&true);
    IndexRange {
        index: UNSENT,
        from: Bound::Included(is_unsent.clone()),
        to: Bound::Included(is_unsent),
    }
}
