use std::slice;

use cqrs_core::store::{
    Checkpoint, Claim, Division, Epoch, KeyRelease, ParkedChange, ParkedKey, Relocation, Shard,
    ShardState, ShardStore, SkippedEvent, Slices, ViewBatch, ViewChange, ViewCommitError,
    ViewStore, WorkerId,
};
use cqrs_core::{Position, Timestamp};

use super::client::{commit, load_to_fold, open, open_many, prepare};
use super::draft::{SUBSCRIPTION, batch, cards, put};
use super::shards::{LONG, NO_SHARDS, attend, claim, shards, whole};
use crate::{Outcome, ViewFixture};

/// V1: keys are parked, changed and removed together with the checkpoint and the views of a commit, and
/// stay as they are across restarts.
pub async fn v1_parked_keys_change_with_their_checkpoint<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let (Some(first), Some(second)) = (shards(&*stores[0]), shards(&*stores[1])) else {
        return NO_SHARDS;
    };
    let cards = cards();
    prepare(&*stores[0], &cards).await;
    assert_eq!(claim(first, WorkerId::new(), 0).await, Some(1));
    assert_eq!(all_parked(second).await, [], "V1: before the first one");
    let odd = "größer\0\u{1}'";
    let [one, other, empty] = [("a", 7), (odd, 3), ("", 9)].map(|(key, at)| parked(key, at));
    let views = vec![put(&cards, "a", "1")];
    let changes = [&one, &other].map(|key| ParkedChange::Park(key.clone()));
    let both = in_epoch(1, batch(None, 7, views), changes.to_vec());
    commit(&*stores[0], both).await;
    let known = all_parked(second).await;
    assert_eq!(
        known,
        [other.clone(), one.clone()],
        "V1: by their first events"
    );
    let state = stored(second).await;
    assert_eq!(state.parked, 2, "V1: the number of parked keys");
    let partition = state.partition.as_deref();
    assert_eq!(partition, Some("order"), "V1: the tag of parked keys");
    let roster = attend(first, WorkerId::new(), LONG).await;
    assert_eq!(roster.shards, [state], "V1: in the roster");
    for key in [&one, &other] {
        let found = first.parked(shard_of(key)).await.expect("is read");
        assert_eq!(found, slice::from_ref(key), "V1: the keys of a slice");
    }
    let elsewhere = first.parked(Shard::whole("projection:other")).await;
    assert_eq!(
        elsewhere.expect("is read"),
        [],
        "V1: of another subscription"
    );

    // A batch may end where it begins.
    let later = ParkedKey {
        first: Position::new(8),
        cause: "another error".to_owned(),
        is_released: true,
        ..one.clone()
    };
    let changes = vec![
        ParkedChange::Move {
            from: one.first,
            to: later.clone(),
        },
        ParkedChange::Unpark {
            key: odd.to_owned(),
            from: other.first,
        },
        ParkedChange::Park(empty.clone()),
    ];
    let views = vec![put(&cards, "a", "2")];
    commit(&*stores[0], in_epoch(1, batch_from(7, 7, views), changes)).await;
    drop(stores);
    let store = open(fixture).await;
    let shards = shards(&*store).expect("the store has shards");
    assert_eq!(
        all_parked(shards).await,
        [later, empty],
        "V1: after a restart"
    );
    let views = load_to_fold(&*store, &cards, &["a"]).await;
    assert_eq!(
        views,
        [Some("2".to_owned())],
        "V1: the views of that commit"
    );
    Outcome::Kept
}

/// V2: a batch whose keys are not parked as it requires writes nothing, even if it ends where it begins:
/// one that is sent twice is written once. Nor does a batch that is refused for another reason park a key.
pub async fn v2_a_commit_that_finds_other_parked_keys_writes_nothing<F: ViewFixture>(
    fixture: &F,
) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let (Some(first), Some(second)) = (shards(&*stores[0]), shards(&*stores[1])) else {
        return NO_SHARDS;
    };
    let cards = cards();
    prepare(&*stores[0], &cards).await;
    assert_eq!(claim(first, WorkerId::new(), 0).await, Some(1));
    let start = batch(None, 5, vec![put(&cards, "a", "1")]);
    commit(
        &*stores[0],
        in_epoch(1, start, vec![ParkedChange::Park(parked("a", 5))]),
    )
    .await;
    let before = all_parked(second).await;
    let position = Position::new;
    let [same, later] = [parked("a", 5), parked("a", 6)];
    let moved = |from, to: &ParkedKey| ParkedChange::Move {
        from: position(from),
        to: to.clone(),
    };
    let unpark = |key: &str, from| ParkedChange::Unpark {
        key: key.to_owned(),
        from: position(from),
    };
    let park = |key| ParkedChange::Park(parked(key, 6));
    let views = || vec![put(&cards, "a", "2")];
    for (what, batch, changes) in [
        (
            "a key that is parked",
            batch_from(5, 6, views()),
            vec![park("a")],
        ),
        (
            "a key that is parked elsewhere",
            batch_from(5, 6, views()),
            vec![moved(4, &later)],
        ),
        (
            "a key that is not parked",
            batch_from(5, 6, views()),
            vec![unpark("b", 5)],
        ),
        (
            "a key that has moved on",
            batch_from(5, 6, views()),
            vec![unpark("a", 6)],
        ),
        (
            "one of two keys",
            batch_from(5, 6, views()),
            vec![park("b"), unpark("a", 4)],
        ),
        (
            "another checkpoint",
            batch_from(4, 6, views()),
            vec![park("b")],
        ),
    ] {
        refused(&*stores[0], in_epoch(1, batch, changes), what).await;
    }
    let of_other_owners = [0, 2].map(|epoch| (epoch, vec![moved(5, &same), park("b")]));
    for (epoch, changes) in of_other_owners {
        let batch = in_epoch(epoch, batch_from(5, 6, views()), changes);
        refused(&*stores[0], batch, "another epoch").await;
    }
    assert_eq!(all_parked(second).await, before, "V2: no key has changed");
    let found = load_to_fold(&*stores[1], &cards, &["a"]).await;
    assert_eq!(found, [Some("1".to_owned())], "V2: nothing was written");

    // Sent twice, since the first one was not answered.
    let again = in_epoch(1, batch_from(5, 5, views()), vec![moved(5, &later)]);
    commit(&*stores[0], again.clone()).await;
    refused(&*stores[1], again, "the same batch once more").await;
    assert_eq!(all_parked(second).await, [later], "V2: changed once");
    Outcome::Kept
}

/// V2: a release marks the keys that it names, and whoever owned their shards commits nothing from then on,
/// until it has seen that. An event is skipped only if it is the first one of its key.
pub async fn v2_a_release_fences_the_owner<F: ViewFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    let Some(shards) = shards(&*store) else {
        return NO_SHARDS;
    };
    let worker = WorkerId::new();
    attend(shards, worker, LONG).await;
    let (halves, [low, high]) = parked_halves(&*store, worker, 1, 5).await;
    let release = async |key: Option<&str>, skipped: Option<SkippedEvent>| {
        let release = KeyRelease {
            subscription: SUBSCRIPTION.to_owned(),
            key: key.map(str::to_owned),
            skipped,
        };
        shards.release_keys(release).await.expect("is decided")
    };
    let epochs = async || {
        let states = all_stored(shards).await;
        states
            .into_iter()
            .map(|state| state.epoch.get())
            .collect::<Vec<_>>()
    };
    let skipped = |key: &str, position| SkippedEvent {
        position: Position::new(position),
        key: Some(key.to_owned()),
        reason: "it's “poisoned”".to_owned(),
        time: Timestamp::from_microsecond(1_700_000_000_000_001).expect("a time"),
    };
    assert_eq!(release(Some("unknown"), None).await, 0, "V2: no such key");
    assert_eq!(
        release(Some(&low[0]), Some(skipped(&low[0], 2))).await,
        0,
        "V2: not the first event"
    );
    let all_skipped = async || {
        shards
            .skipped(SUBSCRIPTION.to_owned())
            .await
            .expect("is read")
    };
    assert_eq!(all_skipped().await, [], "V2: nothing was skipped");
    assert!(all_parked(shards).await.iter().all(|key| !key.is_released));
    assert_eq!(epochs().await, [2, 2], "V2: nothing has changed");

    assert_eq!(release(Some(&low[0]), None).await, 1, "V2: one key");
    assert_eq!(epochs().await, [3, 2], "V2: the epoch of its shard");
    let released = released_keys(shards).await;
    assert_eq!(released, [(low[0].clone(), 1)], "V2: the key is released");
    let unparked = ViewBatch {
        shard: halves[0].clone(),
        ..in_epoch(
            2,
            batch_from(5, 5, Vec::new()),
            vec![ParkedChange::Unpark {
                key: low[0].clone(),
                from: Position::new(1),
            }],
        )
    };
    refused(&*store, unparked, "the owner before the release").await;

    assert_eq!(
        release(Some(&high[1]), Some(skipped(&high[1], 2))).await,
        1,
        "V2: the first event"
    );
    assert_eq!(
        epochs().await,
        [3, 3],
        "V2: the epoch after a skipped event"
    );
    let of_first = skipped(&high[1], 2);
    assert_eq!(all_skipped().await, [of_first], "V2: the skipped event");
    // Its event may be that of another key, too.
    let of_second = Some(skipped(&low[1], 2));
    assert_eq!(release(Some(&low[1]), of_second).await, 1);
    let mut of_both = [&low[1], &high[1]].map(|key| skipped(key, 2));
    of_both.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(all_skipped().await, of_both, "V2: skipped for both keys");
    let mut expected = vec![
        (low[0].clone(), 1),
        (low[1].clone(), 3),
        (high[1].clone(), 3),
    ];
    expected.sort();
    let released = released_keys(shards).await;
    assert_eq!(released, expected, "V2: after the skipped event");

    assert_eq!(release(None, None).await, 4, "V2: all keys");
    assert!(all_parked(shards).await.iter().all(|key| key.is_released));
    assert_eq!(
        epochs().await,
        [5, 4],
        "V2: an epoch for all keys of a shard"
    );
    Outcome::Kept
}

/// The released keys, each with its first event, sorted.
async fn released_keys(shards: &dyn ShardStore) -> Vec<(String, u64)> {
    let parked = all_parked(shards).await.into_iter();
    let released = parked.filter(|parked| parked.is_released);
    let mut keys: Vec<_> = released.map(|it| (it.key, it.first.get())).collect();
    keys.sort();
    keys
}

/// V2: a checkpoint that is moved back removes the keys of its shard that are parked after it, since their
/// events are to be handled again. One that is moved past a skipped event removes none.
pub async fn v2_a_checkpoint_that_moves_back_removes_later_keys<F: ViewFixture>(
    fixture: &F,
) -> Outcome {
    let store = open(fixture).await;
    let Some(shards) = shards(&*store) else {
        return NO_SHARDS;
    };
    let worker = WorkerId::new();
    attend(shards, worker, LONG).await;
    let (halves, [low, high]) = parked_halves(&*store, worker, 3, 9).await;
    let relocate = async |from, to, skipped| {
        let relocation = Relocation {
            shard: halves[0].clone(),
            from: Some(Position::new(from)),
            to: Checkpoint::from(Position::new(to)),
            skipped,
            keys: Vec::new(),
        };
        shards.relocate(relocation).await.expect("is decided")
    };
    let keys = async || {
        let parked = all_parked(shards).await.into_iter();
        let mut keys: Vec<_> = parked.map(|parked| parked.key).collect();
        keys.sort();
        keys
    };
    let mut all = [low.clone(), high.clone()].concat();
    all.sort();
    assert!(!relocate(8, 1, None).await, "V2: from elsewhere");
    assert_eq!(keys().await, all, "V2: without a move");
    let skipped = SkippedEvent {
        position: Position::new(10),
        key: None,
        reason: "it is “poisoned”".to_owned(),
        time: Timestamp::from_microsecond(1_700_000_000_000_001).expect("a time"),
    };
    assert!(relocate(9, 10, Some(skipped)).await);
    assert_eq!(keys().await, all, "V2: past a skipped event");
    assert!(relocate(10, 3, None).await);
    all.retain(|key| *key != low[1]);
    assert_eq!(keys().await, all, "V2: the later key of the shard");
    Outcome::Kept
}

/// V1: a division changes no parked key. Each belongs to the shard that has its slice.
pub async fn v1_a_division_keeps_parked_keys<F: ViewFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    let Some(shards) = shards(&*store) else {
        return NO_SHARDS;
    };
    assert_eq!(claim(shards, WorkerId::new(), 0).await, Some(1));
    let keys = ["a", "b", "c", "d", "e", "f"].map(|key| parked(key, 3));
    let changes = keys.iter().cloned().map(ParkedChange::Park).collect();
    commit(&*store, in_epoch(1, batch(None, 5, Vec::new()), changes)).await;
    let before = all_parked(shards).await;
    assert_eq!(before.len(), keys.len());
    for count in [4, 3, 1] {
        assert!(divide(shards, count).await, "V1: divided");
        assert_eq!(
            all_parked(shards).await,
            before,
            "V1: parked in {count} shards"
        );
        for state in all_stored(shards).await {
            let slices = state.shard.slices;
            let own = keys
                .iter()
                .filter(|key| slices.contains(key.slice()))
                .count();
            let found = shards.parked(state.shard.clone()).await.expect("is read");
            assert_eq!(found.len(), own, "V1: the keys of the shard {slices}");
            assert_eq!(state.parked, own as u64, "V1: their number");
        }
    }
    let other = Division::even(SUBSCRIPTION, "customer", 2).expect("few shards");
    let is_divided = shards.divide(other).await.expect("is decided");
    assert!(
        !is_divided,
        "V1: divided by another tag than keys are parked by"
    );
    Outcome::Kept
}

pub(super) fn parked(key: &str, first: u64) -> ParkedKey {
    ParkedKey {
        partition: "order".to_owned(),
        key: key.to_owned(),
        first: Position::new(first),
        cause: "`Orders::placed` failed: it's “poisoned”".to_owned(),
        since: Timestamp::from_microsecond(1_700_000_000_123_456).expect("a time"),
        is_released: false,
    }
}

/// The slice of a key, as a shard.
fn shard_of(key: &ParkedKey) -> Shard {
    Shard {
        slices: Slices::from(key.slice()),
        ..whole()
    }
}

/// Two keys of these slices.
fn keys_of(slices: Slices) -> [String; 2] {
    let mut keys = (0..).map(|number| format!("O{number}"));
    let mut next = || {
        let found = keys.find(|key| slices.contains(Slices::of_tag(key)));
        found.expect("there are many")
    };
    [next(), next()]
}

/// Divides the subscription into two shards in epoch 2, claims both, and parks two keys of each: one at this
/// event and one at the next.
async fn parked_halves<S: ViewStore>(
    store: &S,
    worker: WorkerId,
    first: u64,
    checkpoint: u64,
) -> ([Shard; 2], [[String; 2]; 2]) {
    let shards = shards(store).expect("the store has shards");
    assert!(divide(shards, 2).await, "V2: divided");
    let halves = [(0, 511), (512, 1023)].map(|(first, last)| Shard {
        slices: Slices::new(first, last).expect("slices"),
        ..whole()
    });
    let claims = halves.clone().map(|shard| Claim {
        shard,
        seen: Epoch::new(1),
    });
    let claimed = shards
        .claim(worker, claims.to_vec())
        .await
        .expect("decided");
    assert_eq!(claimed, [Some(Epoch::new(2)); 2], "V2: claimed");
    let all_keys = halves.each_ref().map(|shard| keys_of(shard.slices));
    for (shard, keys) in halves.iter().zip(&all_keys) {
        let changes = keys
            .iter()
            .zip(first..)
            .map(|(key, at)| ParkedChange::Park(parked(key, at)));
        let batch = ViewBatch {
            shard: shard.clone(),
            ..in_epoch(2, batch(None, checkpoint, Vec::new()), changes.collect())
        };
        commit(store, batch).await;
    }
    (halves, all_keys)
}

fn batch_from(from: u64, to: u64, changes: Vec<ViewChange>) -> ViewBatch {
    batch(Some(from), to, changes)
}

fn in_epoch(epoch: u64, batch: ViewBatch, parked: Vec<ParkedChange>) -> ViewBatch {
    ViewBatch {
        epoch: Epoch::new(epoch),
        parked,
        ..batch
    }
}

async fn refused<S: ViewStore>(store: &S, batch: ViewBatch, what: &str) {
    let outcome = store.commit(batch).await;
    assert!(
        matches!(outcome, Err(ViewCommitError::Moved { .. })),
        "V2: {what}: {outcome:?}"
    );
}

async fn divide(shards: &dyn ShardStore, count: u16) -> bool {
    let division = Division::even(SUBSCRIPTION, "order", count).expect("few shards");
    shards.divide(division).await.expect("it is decided")
}

async fn all_parked(shards: &dyn ShardStore) -> Vec<ParkedKey> {
    shards.parked(whole()).await.expect("is read")
}

async fn all_stored(shards: &dyn ShardStore) -> Vec<ShardState> {
    let stored = shards.shards(SUBSCRIPTION.to_owned()).await;
    stored.expect("is read")
}

async fn stored(shards: &dyn ShardStore) -> ShardState {
    let mut all = all_stored(shards).await;
    assert_eq!(all.len(), 1, "V1: a single shard");
    all.remove(0)
}
