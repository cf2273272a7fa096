use std::collections::BTreeMap;
use std::sync::Arc;

use cqrs_core::store::{
    Claim, Epoch, Halt, HaltKind, ModelSchema, ParkedChange, Replacement, ReplacementOutcome,
    Shard, ShardStore, VersionStore, ViewBatch, ViewCommitError, ViewStore, WorkerId,
};

use cqrs_core::{Position, Timestamp};

use super::client::{checkpoint, commit, load_to_fold, open_many, prepare};
use super::draft::{SUBSCRIPTION, batch, cards, model, put};
use super::parking::parked;
use super::shards::{LONG, NO_SHARDS, attend, claim, shards};
use super::versions::{NO_VERSIONS, versions};
use crate::{Outcome, ViewFixture};

/// The subscription that builds views again.
const REBUILT: &str = "projection:test:again";

/// V2: views that were built again replace those of a version in one step, with their checkpoint and their parked
/// keys, unless they are behind. No former owner can write.
pub async fn v2_views_that_were_built_again_replace_others<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let Some(versions) = versions(&*stores[0]) else {
        return NO_VERSIONS;
    };
    let Some(shards) = shards(&*stores[0]) else {
        return NO_SHARDS;
    };
    let (store, other) = (&*stores[0], &*stores[1]);
    let (cards, again) = (cards(), model("cards_again", &["rank"]));
    prepare(store, &cards).await;
    prepare(store, &again).await;
    let worker = WorkerId::new();
    attend(shards, worker, LONG).await;
    assert_eq!(claim(shards, worker, 0).await, Some(1), "V2: a new shard");
    let present = ViewBatch {
        epoch: Epoch::new(1),
        parked: vec![ParkedChange::Park(parked("c", 2))],
        ..batch(None, 3, vec![put(&cards, "a", "1"), put(&cards, "b", "1")])
    };
    commit(store, present.clone()).await;
    let epoch = claim_rebuilt(shards, worker).await;
    let rebuilt = ViewBatch {
        shard: Shard::whole(REBUILT),
        epoch,
        parked: vec![ParkedChange::Park(parked("d", 2))],
        ..batch(None, 2, vec![put(&again, "a", "2")])
    };
    commit(store, rebuilt.clone()).await;
    // Of both tables, statements are known.
    assert_eq!(
        load_to_fold(other, &cards, &["a"]).await,
        [Some("1".to_owned())]
    );
    assert_eq!(
        load_to_fold(other, &again, &["a"]).await,
        [Some("2".to_owned())]
    );

    let replacement = replacement(&cards, &again, None);
    assert!(
        !replace(versions, replacement).await,
        "V2: replaced by views that are behind"
    );
    assert_eq!(
        load_to_fold(other, &cards, &["a"]).await,
        [Some("1".to_owned())],
        "V2: kept"
    );
    let complete = self::replacement(&cards, &again, Some((2, 3)));
    assert!(
        replace(versions, complete.clone()).await,
        "V2: not replaced"
    );
    for store in [store, other] {
        let bodies = load_to_fold(store, &cards, &["a", "b"]).await;
        assert_eq!(bodies, [Some("2".to_owned()), None], "V2: the views");
    }
    assert_eq!(checkpoint(store).await, Some(3), "V2: the checkpoint");
    let keys = shards.parked(Shard::whole(SUBSCRIPTION)).await;
    assert_eq!(
        keys.expect("is read"),
        [parked("d", 2)],
        "V2: the parked keys"
    );

    let late = ViewBatch {
        from: Some(Position::new(3)),
        parked: Vec::new(),
        ..present
    };
    let refused = store.commit(late).await;
    assert!(
        matches!(refused, Err(ViewCommitError::Moved { .. })),
        "V2: a former owner: {refused:?}"
    );
    let late_again = ViewBatch {
        from: Some(Position::new(2)),
        parked: Vec::new(),
        ..rebuilt
    };
    assert!(
        store.commit(late_again).await.is_err(),
        "V2: an owner of the views"
    );
    assert!(!replace(versions, complete).await, "V2: replaced twice");

    // They may be built again, from the start.
    prepare(store, &again).await;
    assert_eq!(
        load_to_fold(other, &again, &["a"]).await,
        [None],
        "V2: the former table"
    );
    let left = shards.shards(REBUILT.to_owned()).await.expect("shards");
    assert_eq!(left[0].checkpoint, None, "V2: the former checkpoint");
    assert!(left[0].epoch > epoch, "V2: the epoch");
    Outcome::Kept
}

/// V2: a process can take all shards from their owners, for as long as it attends. Former owners write nothing.
pub async fn v2_seized_shards_fence_their_owners<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let (Some(first), Some(second)) = (shards(&*stores[0]), shards(&*stores[1])) else {
        return NO_SHARDS;
    };
    let seize = async |worker| {
        let seized = second.seize(worker, SUBSCRIPTION.to_owned()).await;
        seized.expect("it is decided")
    };
    let cards = cards();
    prepare(&*stores[0], &cards).await;
    let [owner, other] = [WorkerId::new(), WorkerId::new()];
    assert!(!seize(other).await, "V2: there are none");
    attend(first, owner, LONG).await;
    attend(second, other, LONG).await;
    assert_eq!(claim(first, owner, 0).await, Some(1), "V2: a new shard");
    let write = |epoch, from, to| ViewBatch {
        epoch: Epoch::new(epoch),
        ..batch(from, to, vec![put(&cards, "a", &to.to_string())])
    };
    commit(&*stores[0], write(1, None, 3)).await;
    assert!(seize(other).await, "V2: owned by another process");
    let refused = stores[0].commit(write(1, Some(3), 4)).await;
    assert!(
        matches!(refused, Err(ViewCommitError::Moved { .. })),
        "V2: by their owner: {refused:?}"
    );
    assert_eq!(claim(first, owner, 2).await, None, "V2: from who attends");
    commit(&*stores[1], write(2, Some(3), 5)).await;
    second.leave(other).await.expect("it leaves");
    assert_eq!(claim(first, owner, 2).await, Some(3), "V2: after it left");
    let halt = Halt {
        kind: HaltKind::Paused,
        reason: "a test".to_owned(),
        since: Timestamp::UNIX_EPOCH,
    };
    let halted = first.halt(Shard::whole(SUBSCRIPTION), halt, None).await;
    assert!(halted.expect("it is decided"), "V2: not paused");
    assert!(!seize(other).await, "V2: paused");
    Outcome::Kept
}

async fn claim_rebuilt(shards: &dyn ShardStore, worker: WorkerId) -> Epoch {
    let new = Claim {
        shard: Shard::whole(REBUILT),
        seen: Epoch::UNCLAIMED,
    };
    let epochs = shards.claim(worker, vec![new]).await;
    epochs.expect("is claimed")[0].expect("nobody else claims it")
}

/// With the position up to which there is no event after a checkpoint.
fn replacement(
    present: &Arc<ModelSchema>,
    again: &Arc<ModelSchema>,
    reached: Option<(u64, u64)>,
) -> Replacement {
    let of_shard = reached.map(|(from, to)| {
        let positions = (Position::new(from), Position::new(to));
        (Shard::whole(REBUILT), positions)
    });
    Replacement {
        subscription: SUBSCRIPTION.to_owned(),
        rebuilt: REBUILT.to_owned(),
        models: vec![(ModelSchema::clone(present), again.table.clone())],
        reached: of_shard.into_iter().collect::<BTreeMap<_, _>>(),
    }
}

async fn replace(versions: &dyn VersionStore, replacement: Replacement) -> bool {
    let replaced = versions.replace_views(replacement).await;
    replaced.expect("views can be replaced") == ReplacementOutcome::Replaced
}
