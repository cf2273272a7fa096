use cqrs_core::store::{
    Checkpoint, Epoch, Halt, HaltKind, LastEvent, Relocation, ShardState, ShardStore, SkippedEvent,
    ViewBatch, ViewCommitError, ViewStore, WorkerId,
};
use cqrs_core::{CommandId, EventId, Position, Timestamp};

use super::client::{commit, load_to_fold, open, open_many, prepare};
use super::draft::{SUBSCRIPTION, batch, cards, put};
use super::shards::{LONG, NO_SHARDS, attend, claim, shards, whole};
use crate::{Outcome, ViewFixture};

/// V2: nobody claims a halted shard, whose owner keeps it until it releases it. The halt outlasts all
/// processes, and ends with a new epoch.
pub async fn v2_a_halted_shard_is_claimed_by_nobody<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let (Some(first), Some(second)) = (shards(&*stores[0]), shards(&*stores[1])) else {
        return NO_SHARDS;
    };
    let [one, other] = [WorkerId::new(), WorkerId::new()];
    attend(first, one, LONG).await;
    attend(second, other, LONG).await;
    assert_eq!(claim(first, one, 0).await, Some(1));
    assert!(halt(second, paused("maintenance"), None).await);
    let state = stored(first).await;
    assert_eq!(state.halt, Some(paused("maintenance")), "V2: the halt");
    assert_eq!(state.owner, Some(one), "V2: its owner attends");
    assert_eq!(state.epoch, Epoch::new(1), "V2: its owner may go on");
    let roster = attend(first, one, LONG).await;
    assert_eq!(
        roster.shards,
        [state],
        "V2: the halt in the roster of its owner"
    );

    first.release(one, vec![whole()]).await.expect("released");
    assert_eq!(claim(second, other, 1).await, None, "V2: a halted shard");
    // Again, with another reason.
    assert!(halt(second, stopped("no address"), None).await);
    let state = stored(first).await;
    assert_eq!(
        state.halt,
        Some(stopped("no address")),
        "V2: the later reason"
    );
    assert_eq!(state.owner, None, "V2: it was released");
    let epoch = state.epoch.get();
    assert!(
        epoch > 1,
        "V2: without an owner, a halt raises the epoch: {epoch}"
    );
    assert_eq!(claim(second, other, epoch).await, None, "V2: halted still");

    drop(stores);
    let store = open(fixture).await;
    let shards = shards(&*store).expect("the store has shards");
    let halted = stored(shards).await;
    assert_eq!(
        (halted.halt, halted.epoch.get()),
        (Some(stopped("no address")), epoch),
        "V2: after a restart"
    );
    let is_resumed = shards.resume(whole(), false).await;
    assert!(is_resumed.expect("decided"), "V2: the end of a stop");
    let state = stored(shards).await;
    assert_eq!(state.halt, None, "V2: the end of the halt");
    assert!(
        state.epoch.get() > epoch,
        "V2: the end of a halt raises the epoch"
    );
    attend(shards, other, LONG).await;
    let claimed = claim(shards, other, state.epoch.get()).await;
    assert_eq!(claimed, Some(state.epoch.get() + 1), "V2: after the halt");
    Outcome::Kept
}

/// V2: an owner halts its shard only as long as it is its owner, and a shard that nobody ever claimed can
/// be halted. Whoever owned a shard and no longer attends commits nothing after a halt.
pub async fn v2_a_halt_is_fenced<F: ViewFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    let Some(shards) = shards(&*store) else {
        return NO_SHARDS;
    };
    let cards = cards();
    prepare(&*store, &cards).await;
    let is_halted = halt(shards, stopped("by nobody"), Some(1)).await;
    assert!(!is_halted, "V2: in an epoch that never was");
    let known = shards.shards(SUBSCRIPTION.to_owned()).await;
    assert!(
        known
            .expect("read")
            .iter()
            .all(|state| state.halt.is_none()),
        "V2: a halt in an epoch that never was"
    );
    assert!(halt(shards, paused("early"), None).await);
    let state = stored(shards).await;
    assert_eq!(
        state.halt,
        Some(paused("early")),
        "V2: before the first claim"
    );
    let worker = WorkerId::new();
    attend(shards, worker, LONG).await;
    let epoch = state.epoch.get();
    assert_eq!(claim(shards, worker, epoch).await, None);
    assert!(shards.resume(whole(), true).await.expect("decided"));
    let resumed = stored(shards).await.epoch.get();
    let epoch = claim(shards, worker, resumed).await.expect("is claimed");

    let is_halted = halt(shards, stopped("by an earlier owner"), Some(epoch - 1)).await;
    assert!(!is_halted, "V2: by an earlier owner");
    assert_eq!(
        stored(shards).await.halt,
        None,
        "V2: a halt in an earlier epoch"
    );
    assert!(halt(shards, paused("by an operator"), None).await);
    let is_halted = halt(shards, stopped("after that"), Some(epoch)).await;
    assert!(!is_halted, "V2: a stop in place of a pause");
    let is_resumed = shards.resume(whole(), false).await;
    assert!(!is_resumed.expect("decided"), "V2: a pause ended as a stop");
    assert_eq!(stored(shards).await.halt, Some(paused("by an operator")));
    assert!(shards.resume(whole(), true).await.expect("resumed"));
    let epoch = stored(shards).await.epoch.get();
    assert!(halt(shards, stopped("by its owner"), Some(epoch)).await);
    assert_eq!(stored(shards).await.halt, Some(stopped("by its owner")));
    let is_resumed = shards.resume(whole(), true).await;
    assert!(!is_resumed.expect("decided"), "V2: a stop ended as a pause");
    let body = |from, to| ViewBatch {
        epoch: Epoch::new(epoch),
        ..batch(from, to, vec![put(&cards, "a", "1")])
    };
    commit(&*store, body(None, 3)).await;
    shards.leave(worker).await.expect("it leaves");
    assert!(halt(shards, paused("for good"), None).await);
    let outcome = store.commit(body(Some(3), 4)).await;
    assert!(
        matches!(outcome, Err(ViewCommitError::Moved { .. })),
        "V2: a commit of a former owner after a halt: {outcome:?}"
    );
    Outcome::Kept
}

/// V2: a checkpoint is moved from where it is, and whoever owns the shard commits nothing from then on,
/// until it has seen that. A pause stays, and another halt ends. What was skipped is listed.
pub async fn v2_a_moved_checkpoint_fences_its_owner<F: ViewFixture>(fixture: &F) -> Outcome {
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
    let keys = ["card:a", "it's “poisoned”"];
    let moved = async |from: Option<u64>, to, skipped: Option<&SkippedEvent>| {
        let relocation = Relocation {
            shard: whole(),
            from: from.map(Position::new),
            to,
            skipped: skipped.cloned(),
            keys: skipped
                .iter()
                .flat_map(|_| keys.map(str::to_owned))
                .collect(),
        };
        second.relocate(relocation).await.expect("is decided")
    };
    let event = LastEvent {
        position: Position::new(5),
        id: EventId::of(CommandId::new(), 0),
    };
    let past = Checkpoint {
        position: event.position,
        last_event: Some(event),
    };
    let skipped = SkippedEvent {
        key: None,
        position: event.position,
        reason: "it's “poisoned”".to_owned(),
        time: Timestamp::from_microsecond(1_700_000_000_000_001).expect("a time"),
    };
    for from in [None, Some(2), Some(4)] {
        let is_moved = moved(from, past, Some(&skipped)).await;
        assert!(!is_moved, "V2: moved from {from:?}, but it is at 3");
    }
    assert_eq!(all_skipped(first).await, [], "V2: skipped without a move");
    assert!(halt(first, stopped("no address"), None).await);
    assert!(moved(Some(3), past, Some(&skipped)).await);
    let state = stored(first).await;
    assert_eq!(
        state.checkpoint,
        Some(past),
        "V2: the checkpoint with its event"
    );
    assert_eq!(state.halt, None, "V2: a stop ends");
    assert_eq!(state.owner, Some(worker), "V2: its owner");
    let for_each = keys.map(|key| SkippedEvent {
        key: Some(key.to_owned()),
        ..skipped.clone()
    });
    let listed = all_skipped(first).await;
    assert_eq!(listed, for_each, "V2: the event, skipped for both keys");
    let outcome = stores[0].commit(body(Some(5), 6, "2")).await;
    assert!(
        matches!(outcome, Err(ViewCommitError::Moved { .. })),
        "V2: a commit of its owner after a move: {outcome:?}"
    );
    let views = load_to_fold(&*stores[1], &cards, &["a"]).await;
    assert_eq!(views, [Some("1".to_owned())], "V2: nothing was written");

    assert!(halt(first, paused("maintenance"), None).await);
    let start = Checkpoint::from(Position::new(1));
    assert!(moved(Some(5), start, None).await, "V2: back");
    let state = stored(first).await;
    assert_eq!(state.halt, Some(paused("maintenance")), "V2: a pause stays");
    assert_eq!(state.checkpoint, Some(start));
    assert_eq!(all_skipped(first).await.len(), 2, "V2: no further event");
    Outcome::Kept
}

fn paused(reason: &str) -> Halt {
    Halt {
        kind: HaltKind::Paused,
        reason: reason.to_owned(),
        since: Timestamp::from_microsecond(1_700_000_000_123_456).expect("a time"),
    }
}

fn stopped(reason: &str) -> Halt {
    Halt {
        kind: HaltKind::Stopped {
            position: Position::new(7),
        },
        ..paused(reason)
    }
}

async fn halt(shards: &dyn ShardStore, halt: Halt, epoch: Option<u64>) -> bool {
    let halted = shards.halt(whole(), halt, epoch.map(Epoch::new)).await;
    halted.expect("is decided")
}

async fn stored(shards: &dyn ShardStore) -> ShardState {
    let stored = shards.shards(SUBSCRIPTION.to_owned()).await;
    let mut all = stored.expect("it is read");
    assert_eq!(all.len(), 1, "V2: the shards of one subscription");
    all.remove(0)
}

async fn all_skipped(shards: &dyn ShardStore) -> Vec<SkippedEvent> {
    let skipped = shards.skipped(SUBSCRIPTION.to_owned()).await;
    skipped.expect("it is read")
}
