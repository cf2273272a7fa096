use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::store::{
    Attendance, Checkpoint, Claim, Epoch, Roster, Shard, ShardState, ShardStore, Slices, ViewBatch,
    ViewCommitError, ViewStore, WorkerId,
};

use super::client::{commit, load_to_fold, open, open_many, prepare};
use super::draft::{SUBSCRIPTION, batch, cards, put};
use crate::tasks::race;
use crate::{Outcome, ViewFixture};

/// A lease that does not end during a test.
pub(super) const LONG: Duration = Duration::from_secs(3600);

/// V2: a shard has one owner as long as that attends. Another process gets it when it is released,
/// when its owner leaves, and when its owner's lease has ended.
pub async fn v2_a_shard_has_one_owner<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let (Some(first), Some(second)) = (shards(&*stores[0]), shards(&*stores[1])) else {
        return NO_SHARDS;
    };
    let [one, other] = [WorkerId::new(), WorkerId::new()];
    assert_eq!(
        attend(first, one, LONG).await.shards,
        [],
        "V2: before the first claim"
    );
    attend(second, other, LONG).await;
    assert_eq!(claim(first, one, 0).await, Some(1), "V2: a new shard");
    for seen in [0, 1, 2] {
        let claimed = claim(second, other, seen).await;
        assert_eq!(
            claimed, None,
            "V2: claimed in epoch {seen}, though its owner attends"
        );
    }
    assert_eq!(claim(first, one, 1).await, None, "V2: by its owner");
    let owned = |owner, epoch| ShardState {
        owner,
        epoch: Epoch::new(epoch),
        ..ShardState::unclaimed(whole())
    };
    let roster = attend(second, other, LONG).await;
    assert_eq!(
        roster.shards,
        [owned(Some(one), 1)],
        "V2: the owner is known"
    );
    let mut workers = vec![one, other];
    workers.sort();
    let attending: Vec<_> = roster.workers.iter().map(|(worker, _)| *worker).collect();
    assert_eq!(attending, workers, "V2: those that attend, in order");

    first.release(one, vec![whole()]).await.expect("released");
    let roster = attend(second, other, LONG).await;
    assert_eq!(roster.shards, [owned(None, 1)], "V2: the epoch stays");
    assert_eq!(claim(second, other, 0).await, None, "V2: claimed as if new");
    assert_eq!(
        claim(second, other, 1).await,
        Some(2),
        "V2: after a release"
    );
    first
        .release(one, vec![whole()])
        .await
        .expect("nothing to release");
    assert_eq!(
        claim(first, one, 2).await,
        None,
        "V2: released by another process"
    );

    second.leave(other).await.expect("it leaves");
    let roster = attend(first, one, LONG).await;
    assert_eq!(roster.shards, [owned(None, 2)], "V2: after its owner left");
    assert_eq!(roster.workers.len(), 1, "V2: one process is left");
    assert_eq!(
        claim(first, one, 2).await,
        Some(3),
        "V2: after its owner left"
    );

    // Its owner does not extend the lease, which ends at once.
    attend(first, one, Duration::ZERO).await;
    attend(second, other, LONG).await;
    loop {
        let roster = attend(second, other, LONG).await;
        if roster.shards == [owned(None, 3)] {
            break;
        }
    }
    assert_eq!(
        claim(second, other, 3).await,
        Some(4),
        "V2: after the lease of its owner"
    );
    assert_eq!(claim(first, one, 4).await, None, "V2: by its former owner");
    Outcome::Kept
}

/// V2: of processes that claim a shard at the same time, one gets it.
pub async fn v2_one_of_many_processes_gets_a_shard<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    if shards(&*stores[0]).is_none() {
        return NO_SHARDS;
    }
    let workers: Vec<_> = (0..8).map(|_| WorkerId::new()).collect();
    for epoch in 0..8 {
        let racers = workers.iter().enumerate().map(|(racer, worker)| {
            let (store, worker) = (stores[racer % 2].clone(), *worker);
            async move {
                let shards = shards(&*store).expect("the store has shards");
                attend(shards, worker, LONG).await;
                claim(shards, worker, epoch).await
            }
        });
        let claimed: Vec<_> = race(racers).await.into_iter().flatten().collect();
        assert_eq!(claimed, [epoch + 1], "V2: claims in epoch {epoch}");
        let first = shards(&*stores[0]).expect("the store has shards");
        let roster = attend(first, workers[0], LONG).await;
        let owner = roster.shards[0].owner.expect("the winner owns it");
        first.release(owner, vec![whole()]).await.expect("released");
    }
    Outcome::Kept
}

/// V2: a commit in an earlier epoch writes nothing, even from the current checkpoint, and the
/// checkpoint outlasts its owners.
pub async fn v2_a_commit_in_an_earlier_epoch_writes_nothing<F: ViewFixture>(
    fixture: &F,
) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let (Some(first), Some(second)) = (shards(&*stores[0]), shards(&*stores[1])) else {
        return NO_SHARDS;
    };
    let cards = cards();
    prepare(&*stores[0], &cards).await;
    let [one, other] = [WorkerId::new(), WorkerId::new()];
    let body = |from, to, body, epoch| ViewBatch {
        epoch: Epoch::new(epoch),
        ..batch(from, to, vec![put(&cards, "a", body)])
    };
    let refused = async |batch: ViewBatch, found: Option<u64>| {
        let outcome = stores[0].commit(batch).await;
        let found = found.map(Position::new);
        assert!(
            matches!(outcome, Err(ViewCommitError::Moved { found: at }) if at == found),
            "V2: not refused at {found:?}: {outcome:?}"
        );
    };
    refused(body(None, 3, "unclaimed", 1), None).await;
    assert_eq!(claim(first, one, 0).await, Some(1));
    refused(body(None, 3, "unclaimed", 0), None).await;
    commit(&*stores[0], body(None, 3, "1", 1)).await;
    first.leave(one).await.expect("it leaves");
    assert_eq!(claim(second, other, 1).await, Some(2));
    refused(body(Some(3), 4, "by the former owner", 1), Some(3)).await;
    refused(body(Some(3), 4, "of an epoch to come", 3), Some(3)).await;
    let views = load_to_fold(&*stores[1], &cards, &["a"]).await;
    assert_eq!(views, [Some("1".to_owned())], "V2: nothing was written");
    commit(&*stores[1], body(Some(3), 5, "2", 2)).await;
    let roster = attend(second, other, LONG).await;
    let at = |position| Some(Checkpoint::from(Position::new(position)));
    assert_eq!(
        roster.shards[0].checkpoint,
        at(5),
        "V2: the checkpoint in the roster"
    );
    drop(stores);
    let store = open(fixture).await;
    assert_eq!(
        store.checkpoint(&whole()).await.expect("it is read"),
        at(5),
        "V2: after a restart"
    );
    let shards = shards(&*store).expect("the store has shards");
    let state = attend(shards, other, LONG).await.shards.remove(0);
    assert_eq!(state.epoch, Epoch::new(2), "V2: the epoch after a restart");
    Outcome::Kept
}

/// V1: a process sees the shards of the subscriptions that it names, and nothing of others.
pub async fn v1_a_roster_has_the_shards_that_were_asked_for<F: ViewFixture>(
    fixture: &F,
) -> Outcome {
    let store = open(fixture).await;
    let Some(shards) = shards(&*store) else {
        return NO_SHARDS;
    };
    let worker = WorkerId::new();
    let names = [
        "projection:a",
        "projection:a:1",
        "projection:größer",
        "projection:a'",
    ];
    let claims = names.map(|name| Claim {
        shard: Shard::whole(name),
        seen: Epoch::UNCLAIMED,
    });
    let claimed = shards.claim(worker, claims[..2].to_vec()).await;
    let first = Some(Epoch::new(1));
    assert_eq!(claimed.expect("claimed"), [first; 2], "V1: new shards");
    let claimed = shards.claim(worker, claims.to_vec()).await;
    assert_eq!(
        claimed.expect("claimed"),
        [None, None, first, first],
        "V1: the order of claims"
    );
    let asked: Vec<String> = names[1..3].iter().copied().map(str::to_owned).collect();
    let attendance = Attendance {
        worker,
        subscriptions: asked.clone(),
        lease: LONG,
    };
    let roster = shards.attend(attendance).await.expect("attends");
    let found: Vec<_> = roster
        .shards
        .iter()
        .map(|it| &it.shard.subscription)
        .collect();
    assert_eq!(
        found,
        [&asked[0], &asked[1]],
        "V1: the shards that were asked for"
    );
    assert_eq!(
        roster.workers,
        [(worker, asked.clone())],
        "V1: with its subscriptions"
    );
    assert!(
        roster
            .shards
            .iter()
            .all(|it| it.shard.slices == Slices::ALL)
    );
    Outcome::Kept
}

pub(super) const NO_SHARDS: Outcome = Outcome::NotClaimed("shards");

pub(super) fn shards<S: ViewStore>(store: &S) -> Option<&dyn ShardStore> {
    store.view_capabilities().shards
}

pub(super) fn whole() -> Shard {
    Shard::whole(SUBSCRIPTION)
}

pub(super) async fn attend(shards: &dyn ShardStore, worker: WorkerId, lease: Duration) -> Roster {
    let attendance = Attendance {
        worker,
        subscriptions: vec![SUBSCRIPTION.to_owned()],
        lease,
    };
    shards.attend(attendance).await.expect("it attends")
}

pub(super) async fn claim(shards: &dyn ShardStore, worker: WorkerId, seen: u64) -> Option<u64> {
    let claim = Claim {
        shard: whole(),
        seen: Epoch::new(seen),
    };
    let claimed = shards.claim(worker, vec![claim]).await;
    claimed.expect("the claim is decided")[0].map(Epoch::get)
}
