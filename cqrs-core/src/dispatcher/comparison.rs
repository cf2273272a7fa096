use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use super::subscriptions::Subscriptions;
use super::versions::StoredVersions;
use crate::error::OperationError;
use crate::handler::table_of;
use crate::store::{
    EventLogExt, ModelSchema, Position, ProjectionVersion, StoreError, ViewPlace, ViewScan,
    ViewStore,
};
use crate::subscription::{ShardSelection, next_event, projection_subscription};

/// Number of views of a page.
const PAGE_SIZE: u64 = 10_000;

/// Maximum number of keys that a comparison names.
const MAX_KEYS: usize = 100;

/// Maximum number of keys that are looked at again.
const MAX_DOUBTED: usize = 10_000;

/// Number of looks at keys that differ. Meanwhile, events are folded into one version and not yet into the
/// other.
const LOOKS: u32 = 3;

/// Pause between two looks at a version that other processes build.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The differences between two versions of a projection. Returned by [`Subscriptions::compare`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// The version of this program.
    pub version: u32,
    /// The version that it was compared with.
    pub with: u32,
    /// The position that both have reached by the end.
    pub position: Position,
    /// Number of views that are the same in both.
    pub equal: u64,
    /// Number of keys whose views differ, or are in one version only.
    pub different: u64,
    /// The first 100 of them, each with the name of its read model.
    pub keys: Vec<(String, String)>,
}

impl Subscriptions<'_> {
    /// Compares the views of this program's version of a projection with those of another one: of the live
    /// version, or else of the last one before it. Both have to be fed: by other processes, if this program
    /// does not have the code of the other version.
    ///
    /// Events may be recorded meanwhile. A view that differs is looked at again when both versions have
    /// reached a later position, and counts if it still differs then.
    ///
    /// # Errors
    /// [`OperationError::NotComplete`] if one of the versions does not reach the head within
    /// [`Builder::max_wait`](super::Builder::max_wait); [`OperationError::UnknownVersion`] if there is no other
    /// version.
    pub async fn compare(&self, name: &str) -> Result<Comparison, OperationError> {
        let versions = self.versioned(name)?;
        let stored = versions.read().await?;
        let own = versions.own(&stored)?;
        let mut others = stored.iter().filter(|it| it.version != own.version);
        let live = others.clone().find(|it| it.is_live);
        let Some(other) = live.or_else(|| others.next_back()) else {
            return Err(versions.unknown(own.version.saturating_sub(1)));
        };
        let mut comparison = Comparison {
            version: own.version,
            with: other.version,
            position: self.reach_both(&versions, other).await?,
            equal: 0,
            different: 0,
            keys: Vec::new(),
        };
        let views = versions.progress.views();
        for model in own.blueprints.iter().flat_map(|it| it.models.keys()) {
            let schema = |version| {
                let name = versions.progress.name();
                Arc::new(ModelSchema {
                    table: table_of(name, version, model),
                    indexes: Vec::new(),
                })
            };
            let schemas = [schema(own.version), schema(other.version)];
            let Scanned {
                equal,
                mut doubted,
                different,
            } = scan(&**views, &schemas).await?;
            let found = doubted.len();
            for _ in 0..LOOKS {
                if doubted.is_empty() {
                    break;
                }
                comparison.position = self.reach_both(&versions, other).await?;
                doubted = still_different(&**views, &schemas, doubted).await?;
            }
            comparison.equal += equal + (found - doubted.len()) as u64;
            comparison.different += different + doubted.len() as u64;
            let room = MAX_KEYS.saturating_sub(comparison.keys.len());
            let keys = doubted.into_iter().take(room);
            comparison.keys.extend(keys.map(|key| (model.clone(), key)));
        }
        Ok(comparison)
    }

    /// Waits until both versions have reached the head.
    async fn reach_both(
        &self,
        versions: &StoredVersions<'_>,
        other: &ProjectionVersion,
    ) -> Result<Position, OperationError> {
        let head = self.inner.log.head().await?;
        let limit = self.inner.limits.wait;
        let started = Instant::now();
        let not_complete = |position| OperationError::NotComplete {
            name: versions.progress.name(),
            position,
            head,
        };
        let reached = versions.progress.wait_for(head, limit).await;
        reached.map_err(|behind| not_complete(behind.at))?;
        loop {
            let at = self.position_of(versions, other, head).await?;
            if at >= head {
                return Ok(head);
            }
            if started.elapsed() > limit {
                return Err(not_complete(at));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The position up to which everything is folded in a version that other processes feed, or `head` if that
    /// is less.
    async fn position_of(
        &self,
        versions: &StoredVersions<'_>,
        version: &ProjectionVersion,
        head: Position,
    ) -> Result<Position, StoreError> {
        let Some(shards) = versions.progress.views().view_capabilities().shards else {
            return Ok(head);
        };
        let query = version.query();
        let subscription = projection_subscription(versions.progress.name(), version.version);
        let mut least = head;
        for state in shards.shards(subscription).await? {
            // By the tag of this program. If that is another one, its shards are further than they seem.
            let partition = versions.progress.partition();
            let range = (state.position(), Some(head));
            if state.position() < head {
                let parked = match state.parked {
                    0 => Vec::new(),
                    _ => shards.parked(state.shard.clone()).await?,
                };
                let slices = state.shard.slices;
                let selection = ShardSelection::new(partition, slices, &state.ahead, &parked);
                let log = &*self.inner.log;
                let next = next_event(log, &query, selection.as_ref(), range).await?;
                least = least.min(next.none_up_to);
            }
        }
        Ok(least)
    }
}

/// The views of a read model in both versions.
#[derive(Default)]
struct Scanned {
    equal: u64,
    /// Keys that differ.
    doubted: Vec<String>,
    /// Number of keys beyond those, which are not looked at again.
    different: u64,
}

/// Compares all views of a read model, in the order of their keys. Each page is a snapshot of its own.
async fn scan(
    views: &dyn ViewStore,
    schemas: &[Arc<ModelSchema>; 2],
) -> Result<Scanned, StoreError> {
    let mut scanned = Scanned::default();
    // The views of both up to the lesser of the last keys that were read.
    let mut pending: [BTreeMap<String, Vec<u8>>; 2] = Default::default();
    let mut last_keys = [None, None];
    let mut are_read = [false, false];
    while !(are_read[0] && are_read[1] && pending.iter().all(BTreeMap::is_empty)) {
        for side in 0..2 {
            if !are_read[side] && pending[side].is_empty() {
                let scan = page(&schemas[side], last_keys[side].take());
                let page = views.scan(scan).await?;
                last_keys[side] = page.rows.last().map(|(key, _)| key.clone());
                are_read[side] = (page.rows.len() as u64) < PAGE_SIZE;
                pending[side].extend(page.rows);
            }
        }
        let [ours, theirs] = &mut pending;
        let last = |rows: &BTreeMap<String, Vec<u8>>, is_read: bool| {
            let last = rows.last_key_value().filter(|_| !is_read)?;
            Some(last.0.clone())
        };
        let bound = [last(ours, are_read[0]), last(theirs, are_read[1])];
        while let Some(key) = [ours.first_key_value(), theirs.first_key_value()]
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
            .min()
            .filter(|key| bound.iter().flatten().all(|bound| *key <= bound))
            .cloned()
        {
            let pair = [ours.remove(&key), theirs.remove(&key)];
            if are_equal(&pair) {
                scanned.equal += 1;
            } else if scanned.doubted.len() < MAX_DOUBTED {
                scanned.doubted.push(key);
            } else {
                scanned.different += 1;
            }
        }
    }
    Ok(scanned)
}

/// Those of the keys whose views still differ.
async fn still_different(
    views: &dyn ViewStore,
    schemas: &[Arc<ModelSchema>; 2],
    keys: Vec<String>,
) -> Result<Vec<String>, StoreError> {
    let [ours, theirs] = schemas;
    let ours = views.load(ours.clone(), keys.clone()).await?;
    let theirs = views.load(theirs.clone(), keys.clone()).await?;
    let pairs = keys.into_iter().zip(ours.into_iter().zip(theirs));
    let different = pairs.filter(|(_, (ours, theirs))| !are_equal(&[ours.clone(), theirs.clone()]));
    Ok(different.map(|(key, _)| key).collect())
}

/// Whether both are the same JSON, in whichever order its fields are.
fn are_equal([ours, theirs]: &[Option<Vec<u8>>; 2]) -> bool {
    if ours == theirs {
        return true;
    }
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return false;
    };
    let json = |body: &[u8]| serde_json::from_slice::<Value>(body).ok();
    json(ours) == json(theirs)
}

/// A page of views after a key.
fn page(model: &Arc<ModelSchema>, after: Option<String>) -> ViewScan {
    ViewScan {
        model: model.clone(),
        ranges: Vec::new(),
        order: None,
        descending: false,
        after: after.map(|key| ViewPlace {
            sort_key: None,
            key,
        }),
        skip: 0,
        take: PAGE_SIZE,
        with_total: false,
    }
}
