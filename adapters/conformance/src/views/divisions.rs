use cqrs_core::store::{
    Ahead, Checkpoint, Claim, Division, Epoch, Halt, HaltKind, LastEvent, Relocation, Shard,
    ShardState, ShardStore, Slices, ViewBatch, ViewCommitError, ViewStore, WorkerId,
};
use cqrs_core::{CommandId, EventId, Position, Timestamp};

use super::client::{commit, load_to_fold, open, open_many, prepare};
use super::draft::{SUBSCRIPTION, batch, cards, put};
use super::shards::{LONG, NO_SHARDS, attend, claim, shards, whole};
use crate::tasks::race;
use crate::{Outcome, ViewFixture};

/// V1: a division keeps what each slice has done. Shards that are put together again begin where the
/// least of them was, and remember which slices were further, until they are apart again.
pub async fn v1_a_division_keeps_what_each_slice_has_done<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let (Some(first), Some(second)) = (shards(&*stores[0]), shards(&*stores[1])) else {
        return NO_SHARDS;
    };
    let worker = WorkerId::new();
    attend(first, worker, LONG).await;
    assert_eq!(claim(first, worker, 0).await, Some(1));
    let to_10 = checkpoint(10);
    commit_to(&*stores[0], whole(), 1, None, to_10).await;

    assert!(divide(second, 2).await, "V1: into two");
    let roster = attend(first, worker, LONG).await;
    assert_eq!(roster.shards, stored(second).await, "V1: in the roster");
    let halves = [shard(0, 511), shard(512, 1023)];
    let fresh = halves.clone().map(|shard| ShardState {
        epoch: Epoch::new(2),
        checkpoint: Some(to_10),
        partition: Some("order".to_owned()),
        ..ShardState::unclaimed(shard)
    });
    assert_eq!(roster.shards, fresh, "V1: both where the whole was");

    let claims = halves.clone().map(|shard| Claim {
        shard,
        seen: Epoch::new(2),
    });
    let claimed = first.claim(worker, claims.to_vec()).await.expect("decided");
    assert_eq!(claimed, [Some(Epoch::new(3)); 2], "V1: each is claimed");
    let [to_20, to_30] = [checkpoint(20), checkpoint(30)];
    let [low, high] = halves;
    commit_to(&*stores[0], low.clone(), 3, Some(10), to_20).await;
    commit_to(&*stores[0], high, 3, Some(10), to_30).await;
    let found = stores[1].checkpoint(&low).await.expect("it is read");
    assert_eq!(found, Some(to_20), "V1: each half has a checkpoint");

    assert!(divide(second, 1).await, "V1: into one");
    let merged = stored(first).await;
    let ahead = Ahead {
        slices: Slices::new(512, 1023).expect("slices"),
        checkpoint: to_30,
    };
    let expected = ShardState {
        epoch: Epoch::new(4),
        checkpoint: Some(to_20),
        ahead: vec![ahead],
        partition: Some("order".to_owned()),
        ..ShardState::unclaimed(whole())
    };
    assert_eq!(merged, [expected], "V1: the whole again");
    drop(stores);

    let store = open(fixture).await;
    let shards = shards(&*store).expect("the store has shards");
    assert_eq!(stored(shards).await, merged, "V1: after a restart");
    assert!(divide(shards, 4).await, "V1: into four");
    let quarters = stored(shards).await;
    let checkpoints: Vec<_> = quarters.iter().map(|state| state.checkpoint).collect();
    let expected = [to_20, to_20, to_30, to_30].map(Some);
    assert_eq!(checkpoints, expected, "V1: apart again");
    assert!(quarters.iter().all(|state| state.ahead.is_empty()));
    Outcome::Kept
}

/// V2: whoever owned a shard before a division neither writes with it nor changes it, and no epoch
/// comes again when the subscription is divided as it was.
pub async fn v2_a_division_fences_former_owners<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let (Some(first), Some(second)) = (shards(&*stores[0]), shards(&*stores[1])) else {
        return NO_SHARDS;
    };
    let cards = cards();
    prepare(&*stores[0], &cards).await;
    let worker = WorkerId::new();
    attend(first, worker, LONG).await;
    assert_eq!(claim(first, worker, 0).await, Some(1));
    let body = |from, to, body| ViewBatch {
        epoch: Epoch::new(1),
        ..batch(from, to, vec![put(&cards, "a", body)])
    };
    commit(&*stores[0], body(None, 3, "1")).await;
    let refused = async |batch: ViewBatch, when: &str| {
        let outcome = stores[0].commit(batch).await;
        assert!(
            matches!(outcome, Err(ViewCommitError::Moved { .. })),
            "V2: {when}: {outcome:?}"
        );
    };
    for count in [3, 2] {
        assert!(divide(second, count).await);
        let divided = stored(first).await;
        refused(body(Some(3), 4, "2"), "a commit of the former owner").await;
        let new = ViewBatch {
            epoch: Epoch::UNCLAIMED,
            ..body(None, 4, "2")
        };
        refused(new, "a first commit of the former shard").await;
        for seen in 0..divided[0].epoch.get() + 2 {
            let claimed = claim(first, worker, seen).await;
            assert_eq!(claimed, None, "V2: the former shard in epoch {seen}");
        }
        for epoch in [None, Some(Epoch::new(1))] {
            let halted = first.halt(whole(), paused(), epoch).await.expect("decided");
            assert!(!halted, "V2: a halt of the former shard");
        }
        for from_pause in [false, true] {
            let resumed = first.resume(whole(), from_pause).await.expect("decided");
            assert!(!resumed, "V2: the former shard goes on");
        }
        for from in [None, Some(Position::new(3))] {
            let relocation = Relocation {
                shard: whole(),
                from,
                to: checkpoint(1),
                skipped: None,
                keys: Vec::new(),
            };
            let is_moved = first.relocate(relocation).await.expect("decided");
            assert!(!is_moved, "V2: the former shard is moved from {from:?}");
        }
        // A shard that begins where none does.
        let unknown = shard(100, 1023);
        let claims = [0, 1, divided[0].epoch.get()].map(|seen| Claim {
            shard: unknown.clone(),
            seen: Epoch::new(seen),
        });
        for one in claims {
            let claimed = first.claim(worker, vec![one]).await.expect("decided");
            assert_eq!(claimed, [None], "V2: a shard that is not there");
        }
        let halted = first.halt(unknown, paused(), None).await.expect("decided");
        assert!(!halted, "V2: a halt of a shard that is not there");
        assert_eq!(stored(first).await, divided, "V2: nothing has changed");
    }
    let before = stored(first).await[0].epoch;
    assert!(divide(second, 1).await, "V2: as it was");
    refused(body(Some(3), 4, "2"), "a commit of the first owner").await;
    let state = stored(first).await.remove(0);
    assert!(state.epoch > before, "V2: the epochs go on: {state:?}");
    let claimed = claim(first, worker, state.epoch.get()).await;
    assert_eq!(claimed, Some(state.epoch.get() + 1), "V2: claimed again");
    let views = load_to_fold(&*stores[1], &cards, &["a"]).await;
    assert_eq!(views, [Some("1".to_owned())], "V2: nothing was written");
    Outcome::Kept
}

/// V2: of divisions, first claims and halts at the same time, each is carried out completely or not at
/// all: the shards always have each slice once.
pub async fn v2_divisions_and_claims_exclude_each_other<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    if shards(&*stores[0]).is_none() {
        return NO_SHARDS;
    }
    let done = checkpoint(7);
    let mut epoch = Epoch::UNCLAIMED;
    for round in 0..6_u16 {
        if round == 1 {
            let first = shards(&*stores[0]).expect("the store has shards");
            assert!(divide(first, 1).await);
            // It may have been paused when it was divided.
            first.resume(whole(), true).await.expect("decided");
            let state = stored(first).await.remove(0);
            let worker = WorkerId::new();
            attend(first, worker, LONG).await;
            let claimed = claim(first, worker, state.epoch.get()).await;
            let epoch = claimed.expect("nobody else claims it");
            commit_to(&*stores[0], whole(), epoch, None, done).await;
            first.leave(worker).await.expect("it leaves");
        }
        let racers = (0..8_u16).map(|racer| {
            let store = stores[usize::from(racer % 2)].clone();
            async move {
                let shards = shards(&*store).expect("the store has shards");
                match racer {
                    0 | 1 => {
                        claim(shards, WorkerId::new(), 0).await;
                    }
                    2 => {
                        for of in [whole(), shard(512, 1023)] {
                            let halted = shards.halt(of.clone(), paused(), None).await;
                            halted.expect("it is decided");
                            let resumed = shards.resume(of, true).await;
                            resumed.expect("it is decided");
                        }
                    }
                    _ => assert!(divide(shards, 1 + (racer + round) % 5).await, "V2: divided"),
                }
            }
        });
        race(racers).await;
        let states = stored(shards(&*stores[0]).expect("the store has shards")).await;
        let mut next = 0;
        for state in &states {
            assert_eq!(state.shard.slices.first(), next, "V2: {states:?}");
            next = state.shard.slices.last() + 1;
            assert!(state.epoch > epoch, "V2: the epochs go on: {states:?}");
            let expected = (round > 0).then_some(done);
            assert_eq!(state.checkpoint, expected, "V2: nothing is forgotten");
        }
        assert_eq!(next, Slices::COUNT, "V2: {states:?}");
        epoch = states.iter().map(|state| state.epoch).max().expect("some");
    }
    Outcome::Kept
}

/// V2: the shards of a paused subscription are paused, and one that has stopped is not divided.
pub async fn v2_a_division_keeps_halts<F: ViewFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    let Some(shards) = shards(&*store) else {
        return NO_SHARDS;
    };
    let is_halted = shards.halt(whole(), paused(), None).await;
    assert!(is_halted.expect("decided"));
    assert!(divide(shards, 2).await, "V2: while it is paused");
    let states = stored(shards).await;
    assert!(
        states.iter().all(|state| state.halt == Some(paused())),
        "V2: paused still: {states:?}"
    );
    let stop = Halt {
        kind: HaltKind::Stopped {
            position: Position::new(7),
        },
        ..paused()
    };
    let halted = shards.halt(shard(512, 1023), stop, None).await;
    assert!(halted.expect("decided"));
    let stopped = stored(shards).await;
    assert!(!divide(shards, 3).await, "V2: divided at a stop");
    assert_eq!(stored(shards).await, stopped, "V2: nothing has changed");
    let resumed = shards.resume(shard(512, 1023), false).await;
    assert!(resumed.expect("decided"));
    assert!(divide(shards, 3).await, "V2: after the stop");
    Outcome::Kept
}

fn shard(first: u16, last: u16) -> Shard {
    Shard {
        slices: Slices::new(first, last).expect("slices"),
        ..whole()
    }
}

/// A checkpoint whose last event is two positions before it.
fn checkpoint(position: u64) -> Checkpoint {
    Checkpoint {
        position: Position::new(position),
        last_event: Some(LastEvent {
            position: Position::new(position.saturating_sub(2)),
            id: EventId::of(CommandId::new(), 0),
        }),
    }
}

fn paused() -> Halt {
    Halt {
        kind: HaltKind::Paused,
        reason: "maintenance".to_owned(),
        since: Timestamp::from_microsecond(1_700_000_000_123_456).expect("a time"),
    }
}

async fn divide(shards: &dyn ShardStore, count: u16) -> bool {
    let division = Division::even(SUBSCRIPTION, "order", count).expect("few shards");
    shards.divide(division).await.expect("it is decided")
}

async fn stored(shards: &dyn ShardStore) -> Vec<ShardState> {
    let stored = shards.shards(SUBSCRIPTION.to_owned()).await;
    stored.expect("it is read")
}

async fn commit_to<S: ViewStore>(
    store: &S,
    shard: Shard,
    epoch: u64,
    from: Option<u64>,
    to: Checkpoint,
) {
    let batch = ViewBatch {
        shard,
        epoch: Epoch::new(epoch),
        to,
        ..batch(from, to.position.get(), Vec::new())
    };
    commit(store, batch).await;
}
