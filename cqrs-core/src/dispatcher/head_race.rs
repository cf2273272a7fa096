use std::time::Duration;

use tokio::time::Instant;

use super::version_task::NEARLY_COMPLETE;
use crate::store::{Attendance, Position, ShardStore, StoreError, WorkerId};

/// Number of lost rounds after which the version is to stand still.
const MAX_LOST_ROUNDS: u32 = 16;

/// Time for which the version stands still at most: the first time, and twice as long each time after it, up to the
/// maximum.
const FIRST_STANDSTILL: Duration = Duration::from_millis(500);
const MAX_STANDSTILL: Duration = Duration::from_secs(8);

/// The race to the head of the log, of views that are built again with those of a version. Under load, the version is
/// ahead at each look, so it has to stand still after some rounds.
pub(super) struct HeadRace {
    /// How far the new views were at the last look.
    seen: Position,
    /// Number of looks at views that were nearly complete, and further than at the look before.
    lost: u32,
    standstill: Standstill,
}

/// An owner of the shards of a version that handles no event, so that the version is no further when its views
/// are. Like the lease of any owner, it ends by itself.
struct Standstill {
    worker: WorkerId,
    /// The time of the next one.
    lease: Duration,
    until: Option<Instant>,
}

impl HeadRace {
    pub(super) fn new() -> Self {
        Self {
            seen: Position::START,
            lost: 0,
            standstill: Standstill {
                worker: WorkerId::new(),
                lease: FIRST_STANDSTILL,
                until: None,
            },
        }
    }

    /// Whether the version stands still.
    pub(super) fn is_held(&self) -> bool {
        let until = self.standstill.until;
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Counts a round that the new views have lost, if they are at this position near the head. When it is enough, the
    /// version stands still. Views that do not get further, because an event fails, do not race.
    pub(super) async fn lost(
        &mut self,
        (position, head): (Position, Position),
        shards: &dyn ShardStore,
        subscription: &str,
    ) -> Result<(), StoreError> {
        let is_racing = position > self.seen && head.since(position) <= NEARLY_COMPLETE;
        self.seen = position;
        if !is_racing || self.is_held() {
            return Ok(());
        }
        self.lost += 1;
        if self.lost.is_multiple_of(MAX_LOST_ROUNDS) {
            self.standstill.begin(shards, subscription).await?;
        }
        Ok(())
    }

    /// Lets others have the shards of the version. Returns whether it stood still.
    pub(super) async fn end(&mut self, shards: &dyn ShardStore) -> Result<bool, StoreError> {
        let stood_still = self.standstill.until.take().is_some();
        if stood_still {
            shards.leave(self.standstill.worker).await?;
        }
        Ok(stood_still)
    }
}

impl Standstill {
    /// Takes all shards from their owners, unless they are halted.
    async fn begin(
        &mut self,
        shards: &dyn ShardStore,
        subscription: &str,
    ) -> Result<(), StoreError> {
        let until = Instant::now() + self.lease;
        let attendance = Attendance {
            worker: self.worker,
            subscriptions: vec![subscription.to_owned()],
            lease: self.lease,
        };
        shards.attend(attendance).await?;
        if shards.seize(self.worker, subscription.to_owned()).await? {
            self.until = Some(until);
            self.lease = MAX_STANDSTILL.min(self.lease * 2);
            return Ok(());
        }
        shards.leave(self.worker).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::store::{Claim, Epoch, Memory, Shard};

    const VERSION: &str = "projection:test:1";

    /// A store in which the version has a shard.
    async fn store() -> Memory {
        let memory = Memory::new();
        let claim = Claim {
            shard: Shard::whole(VERSION),
            seen: Epoch::UNCLAIMED,
        };
        let claimed = memory.claim(WorkerId::new(), vec![claim]).await;
        claimed.expect("the store works");
        memory
    }

    /// Whether the seized shard has an owner that attends.
    async fn is_owned(memory: &Memory) -> bool {
        let shards = ShardStore::shards(memory, VERSION.to_owned()).await;
        shards.expect("the store works")[0].owner.is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_stands_still_after_lost_rounds_and_never_longer_than_the_maximum() {
        let memory = store().await;
        let mut race = HeadRace::new();
        let mut round = 0;
        for seconds in [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0] {
            let time = Duration::from_secs_f64(seconds);
            for _ in 0..MAX_LOST_ROUNDS {
                assert!(!race.is_held() && !is_owned(&memory).await);
                round += 1;
                let at = (Position::new(round), Position::new(round + 1));
                race.lost(at, &memory, VERSION).await.expect("works");
            }
            advance(time / 10 * 9).await;
            assert!(race.is_held() && is_owned(&memory).await, "{time:?}");
            advance(time / 10).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn views_that_get_no_further_do_not_race() {
        let memory = store().await;
        let mut race = HeadRace::new();
        for _ in 0..=MAX_LOST_ROUNDS {
            let at = (Position::new(1), Position::new(2));
            race.lost(at, &memory, VERSION).await.expect("works");
        }
        for far in 2..=MAX_LOST_ROUNDS {
            let position = Position::new(far.into());
            let at = (position, position.plus(NEARLY_COMPLETE + 1));
            race.lost(at, &memory, VERSION).await.expect("works");
        }
        assert!(!race.is_held());
    }

    #[tokio::test(start_paused = true)]
    async fn a_standstill_that_ends_lets_others_have_the_shards() {
        let memory = store().await;
        let mut race = HeadRace::new();
        assert!(!race.end(&memory).await.expect("works"));
        for round in 1..=MAX_LOST_ROUNDS {
            let at = (Position::new(round.into()), Position::new(100));
            race.lost(at, &memory, VERSION).await.expect("works");
        }
        assert!(race.is_held() && is_owned(&memory).await);
        assert!(race.end(&memory).await.expect("works"));
        assert!(!race.is_held() && !is_owned(&memory).await);
    }
}
