use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use super::stored_shards::reached;
use super::subscriptions::Subscriptions;
use super::versions::StoredVersions;
use crate::error::OperationError;
use crate::handler::table_of;
use crate::store::{
    EventLogExt, ModelSchema, Position, ProjectionVersion, StoreError, ViewPlace, ViewScan,
    ViewStore,
};
use crate::subscription::projection_subscription;

/// Number of views of a page.
const PAGE_SIZE: u64 = 10_000;

/// Maximum number of keys that a comparison names.
const MAX_KEYS: usize = 100;

/// Number of views that differ at first sight after which they are looked at again.
const DOUBTED: usize = 10_000;

/// Maximum time in which the last of them are looked at, again and again, because they keep changing.
const LOOK_TIME: Duration = Duration::from_secs(1);

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
    /// The position at which views were compared last. Both versions have everything up to it.
    pub position: Position,
    /// Number of views that are the same in both.
    pub equal: u64,
    /// Number of keys whose views differ, or are in one version only, at a position that both versions had
    /// reached.
    pub different: u64,
    /// Up to 100 of them, each with the name of its read model: the first ones that were found.
    pub keys: Vec<(String, String)>,
    /// Number of keys whose views differed at each look, and had changed since the look before: events
    /// were recorded faster than views can be compared.
    pub undecided: u64,
}

impl Subscriptions<'_> {
    /// Compares the views of this program's version of a projection with those of another one: of the live
    /// version, or else of the last one before it. Both have to be fed: by other processes, if this program
    /// does not have the code of the other version. A read model that only one of them has is left out.
    ///
    /// Events may be recorded meanwhile. A view that differs is looked at again after both versions have
    /// reached the head of the log. If it is still the same in each of them, then so it was at that position,
    /// and it counts as different; if it has changed, it is looked at once more.
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
            undecided: 0,
        };
        for model in own.models().intersection(&other.models()) {
            let mut scan = ModelScan::new(&versions, [own, other], model);
            let mut doubted = Vec::new();
            while let Some(page) = scan.next().await? {
                comparison.equal += page.equal;
                doubted.extend(page.doubted);
                if doubted.len() >= DOUBTED {
                    comparison.position = self.reach_both(&versions, other).await?;
                    doubted = scan.look_again(doubted, &mut comparison).await?;
                }
            }
            let started = Instant::now();
            while !doubted.is_empty() && started.elapsed() < LOOK_TIME {
                comparison.position = self.reach_both(&versions, other).await?;
                doubted = scan.look_again(doubted, &mut comparison).await?;
            }
            comparison.undecided += doubted.len() as u64;
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
        let subscription =
            projection_subscription(versions.progress.stored_name(), version.version);
        let stored = shards.shards(subscription).await?;
        let states: Vec<_> = stored.iter().map(|it| (it, it.position())).collect();
        // By the tag of this program. If that is another one, its shards are further than they seem.
        let events = (&query, versions.progress.partition());
        let reached = reached((&*self.inner.log, shards), events, &states, head).await?;
        Ok(reached.into_iter().min().unwrap_or(head))
    }
}

/// A view in both versions, as it was read last.
type Pair = [Option<Vec<u8>>; 2];

/// A read model in both versions, in the order of its keys.
struct ModelScan<'v> {
    views: &'v dyn ViewStore,
    name: &'v str,
    schemas: [Arc<ModelSchema>; 2],
    /// The views of both that were read and not yet compared: the other version may have more of these keys.
    pending: [BTreeMap<String, Vec<u8>>; 2],
    last_keys: [Option<String>; 2],
    are_read: [bool; 2],
}

/// A page of views that were compared at first sight.
#[derive(Default)]
struct ComparedPage {
    equal: u64,
    doubted: Vec<(String, Pair)>,
}

impl<'v> ModelScan<'v> {
    fn new(versions: &StoredVersions<'v>, both: [&ProjectionVersion; 2], model: &'v str) -> Self {
        let schemas = both.map(|it| {
            Arc::new(ModelSchema {
                table: table_of(versions.progress.stored_name(), it.version, model),
                indexes: Vec::new(),
            })
        });
        Self {
            views: &**versions.progress.views(),
            name: model,
            schemas,
            pending: Default::default(),
            last_keys: [None, None],
            are_read: [false, false],
        }
    }

    /// Compares the next views. Each version is read at a time of its own. `None` after the last one.
    async fn next(&mut self) -> Result<Option<ComparedPage>, StoreError> {
        if self.are_read == [true, true] && self.pending.iter().all(BTreeMap::is_empty) {
            return Ok(None);
        }
        for side in 0..2 {
            if !self.are_read[side] && self.pending[side].is_empty() {
                let scan = page(&self.schemas[side], self.last_keys[side].take());
                let read = self.views.scan(scan).await?;
                self.last_keys[side] = read.rows.last().map(|(key, _)| key.clone());
                self.are_read[side] = (read.rows.len() as u64) < PAGE_SIZE;
                self.pending[side].extend(read.rows);
            }
        }
        let mut compared = ComparedPage::default();
        while let Some(key) = self.next_key() {
            let pair = self.pending.each_mut().map(|views| views.remove(&key));
            if are_equal(&pair) {
                compared.equal += 1;
            } else {
                compared.doubted.push((key, pair));
            }
        }
        Ok(Some(compared))
    }

    /// The next key up to which both versions have been read.
    fn next_key(&self) -> Option<String> {
        let firsts = self.pending.iter().filter_map(BTreeMap::first_key_value);
        let key = firsts.map(|(key, _)| key).min()?;
        let is_read = self
            .are_read
            .iter()
            .zip(&self.last_keys)
            .all(|(is_read, last)| *is_read || last.as_ref().is_some_and(|last| key <= last));
        is_read.then(|| key.clone())
    }

    /// Looks again at views that differed, after both versions have reached the head. Returns those that still
    /// differ and have changed.
    async fn look_again(
        &self,
        doubted: Vec<(String, Pair)>,
        comparison: &mut Comparison,
    ) -> Result<Vec<(String, Pair)>, StoreError> {
        let keys: Vec<_> = doubted.iter().map(|(key, _)| key.clone()).collect();
        let [ours, theirs] = &self.schemas;
        let ours = self.views.load(ours.clone(), keys.clone()).await?;
        let theirs = self.views.load(theirs.clone(), keys).await?;
        let mut changed = Vec::new();
        for ((key, before), bodies) in doubted.into_iter().zip(ours.into_iter().zip(theirs)) {
            let pair = <[_; 2]>::from(bodies);
            if are_equal(&pair) {
                comparison.equal += 1;
            } else if pair == before {
                comparison.different += 1;
                if comparison.keys.len() < MAX_KEYS {
                    comparison.keys.push((self.name.to_owned(), key));
                }
            } else {
                changed.push((key, pair));
            }
        }
        Ok(changed)
    }
}

/// Whether both are the same JSON, in whichever order its fields are.
fn are_equal([ours, theirs]: &Pair) -> bool {
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
