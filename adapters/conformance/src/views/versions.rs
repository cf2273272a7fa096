use cqrs_core::Timestamp;
use cqrs_core::store::{
    Blueprint, Epoch, Fingerprint, ParkedChange, ProjectionVersion, Shard, VersionChange,
    VersionRemoval, VersionStep, VersionStore, ViewBatch, ViewStore, WorkerId,
};

use super::client::{checkpoint, commit, load_to_fold, open, open_many, prepare};
use super::draft::{SUBSCRIPTION, batch, cards, put};
use super::parking::parked;
use super::shards::{LONG, NO_SHARDS, attend, claim, shards};
use crate::tasks::race;
use crate::{Outcome, ViewFixture};

pub(super) const NO_VERSIONS: Outcome = Outcome::NotClaimed("versions of projections");

/// The projection of the tests.
const PROJECTION: &str = "test";

/// V1: a registered version is read back as it was registered, by every process. The first one of a
/// projection is live at once, and code is added by accepting it.
pub async fn v1_a_version_is_kept_as_it_was_registered<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let (Some(first), Some(second)) = (versions(&*stores[0]), versions(&*stores[1])) else {
        return NO_VERSIONS;
    };
    assert_eq!(list(first).await, [], "V1: before the first version");
    let two = change(first, 2, register(2, true)).await;
    let began = Timestamp::from_microsecond(1_700_000_000_123_456).expect("a time");
    let live = ProjectionVersion {
        version: 2,
        blueprints: vec![blueprint(2)],
        began,
        is_live: true,
        was_live: true,
        is_held: false,
    };
    assert_eq!(two, std::slice::from_ref(&live), "V1: the first version");
    let both = change(second, 10, register(10, true)).await;
    let held = ProjectionVersion {
        version: 10,
        blueprints: vec![blueprint(10)],
        is_live: false,
        was_live: false,
        is_held: true,
        ..live.clone()
    };
    assert_eq!(both, [live.clone(), held.clone()], "V1: another version");
    let again = change(first, 2, register(3, false)).await;
    assert_eq!(again, both, "V1: registered again");
    let accepted = change(second, 10, VersionStep::Accept(blueprint(11))).await;
    let held = ProjectionVersion {
        blueprints: vec![blueprint(10), blueprint(11)],
        ..held
    };
    assert_eq!(accepted, [live, held], "V1: code that was accepted");
    assert_eq!(list(first).await, accepted, "V1: in another process");
    let other = second.versions("tes".to_owned()).await.expect("versions");
    assert_eq!(other, [], "V1: of another projection");
    Outcome::Kept
}

/// V2: one version of a projection is live. A version that is held becomes so by hand only.
pub async fn v2_one_version_is_live<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let (Some(first), Some(second)) = (versions(&*stores[0]), versions(&*stores[1])) else {
        return NO_VERSIONS;
    };
    for version in 1..=3 {
        change(first, version, register(version, version == 3)).await;
    }
    let switch = |by_hand| VersionStep::Switch { by_hand };
    assert_eq!(
        live(&list(second).await),
        (vec![1], vec![1]),
        "V2: at first"
    );
    let switched = change(second, 2, switch(false)).await;
    assert_eq!(live(&switched), (vec![2], vec![1, 2]), "V2: switched");
    let held = change(first, 3, switch(false)).await;
    assert_eq!(live(&held), (vec![2], vec![1, 2]), "V2: while it is held");
    let by_hand = change(second, 3, switch(true)).await;
    assert_eq!(live(&by_hand), (vec![3], vec![1, 2, 3]), "V2: by hand");
    let back = change(first, 1, switch(false)).await;
    assert_eq!(live(&back), (vec![1], vec![1, 2, 3]), "V2: back again");
    let waiting = change(first, 2, VersionStep::Hold).await;
    assert!(waiting[1].is_held, "V2: held");
    assert_eq!(list(second).await, waiting, "V2: in another process");
    Outcome::Kept
}

/// V2: of many processes that register the first version, one does, and all agree on the live one.
pub async fn v2_one_of_many_versions_is_the_first<F: ViewFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    if versions(&*stores[0]).is_none() {
        return NO_VERSIONS;
    }
    let racers = (0..8).map(|racer| {
        let store = stores[usize::from(racer % 2 == 1)].clone();
        async move {
            let versions = versions(&*store).expect("the store has versions");
            // Two of each.
            change(versions, racer / 2 + 1, register(racer, false)).await;
        }
    });
    race(racers).await;
    let all = list(versions(&*stores[0]).expect("the store has versions")).await;
    let numbers: Vec<_> = all.iter().map(|it| it.version).collect();
    assert_eq!(numbers, [1, 2, 3, 4], "V2: each is registered once");
    let (live, were_live) = live(&all);
    assert_eq!(live.len(), 1, "V2: the first one is live: {all:?}");
    assert_eq!(live, were_live, "V2: the first one was live");
    Outcome::Kept
}

/// V2: a version is removed with its tables and its checkpoint, unless it is live or a process attends for
/// it. The epochs of its shards do not begin again.
pub async fn v2_a_version_in_use_is_not_removed<F: ViewFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    let Some(versions) = versions(&*store) else {
        return NO_VERSIONS;
    };
    let Some(shards) = shards(&*store) else {
        return NO_SHARDS;
    };
    let cards = cards();
    prepare(&*store, &cards).await;
    let worker = WorkerId::new();
    attend(shards, worker, LONG).await;
    assert_eq!(claim(shards, worker, 0).await, Some(1), "V2: a new shard");
    let written = ViewBatch {
        epoch: Epoch::new(1),
        parked: vec![ParkedChange::Park(parked("a", 3))],
        ..batch(None, 3, vec![put(&cards, "a", "1")])
    };
    commit(&*store, written).await;
    change(versions, 1, register(1, false)).await;
    change(versions, 2, register(2, false)).await;

    assert!(!remove(versions, 2).await, "V2: removed while attended");
    shards.leave(worker).await.expect("it leaves");
    assert!(!remove(versions, 1).await, "V2: removed while live");
    assert!(!remove(versions, 3).await, "V2: removed, and there is none");
    assert_eq!(checkpoint(&*store).await, Some(3), "V2: kept");

    assert!(remove(versions, 2).await, "V2: not removed");
    let left: Vec<_> = list(versions).await.iter().map(|it| it.version).collect();
    assert_eq!(left, [1], "V2: the registration of the other one");
    assert_eq!(checkpoint(&*store).await, None, "V2: the checkpoint");
    prepare(&*store, &cards).await;
    assert_eq!(
        load_to_fold(&*store, &cards, &["a"]).await,
        [None],
        "V2: the views"
    );
    attend(shards, worker, LONG).await;
    assert_eq!(
        claim(shards, worker, 0).await,
        None,
        "V2: claimed as if new"
    );
    let left = shards.parked(Shard::whole(SUBSCRIPTION)).await;
    assert_eq!(left.expect("is read"), [], "V2: the parked keys");
    let stored = shards.shards(SUBSCRIPTION.to_owned()).await;
    let epochs: Vec<_> = stored
        .expect("shards")
        .into_iter()
        .map(|state| (state.shard, state.epoch.get()))
        .collect();
    assert_eq!(epochs, [(Shard::whole(SUBSCRIPTION), 2)], "V2: the epoch");
    Outcome::Kept
}

pub(super) fn versions<S: ViewStore>(store: &S) -> Option<&dyn VersionStore> {
    store.view_capabilities().versions
}

async fn list(store: &dyn VersionStore) -> Vec<ProjectionVersion> {
    let versions = store.versions(PROJECTION.to_owned()).await;
    versions.expect("versions can be read")
}

async fn change(
    store: &dyn VersionStore,
    version: u32,
    step: VersionStep,
) -> Vec<ProjectionVersion> {
    let change = VersionChange {
        projection: PROJECTION.to_owned(),
        version,
        step,
    };
    let changed = store.change_versions(change).await;
    changed.expect("versions can be changed")
}

async fn remove(store: &dyn VersionStore, version: u32) -> bool {
    let removal = VersionRemoval {
        projection: PROJECTION.to_owned(),
        version,
        subscriptions: vec![SUBSCRIPTION.to_owned()],
        tables: vec![cards().table.clone()],
        may_be_live: false,
    };
    let removed = store.remove_version(removal).await;
    removed.expect("versions can be removed")
}

fn register(number: u32, is_held: bool) -> VersionStep {
    VersionStep::Register {
        blueprint: blueprint(number),
        began: Timestamp::from_microsecond(1_700_000_000_123_456).expect("a time"),
        is_held,
    }
}

fn blueprint(number: u32) -> Blueprint {
    let fingerprint = Fingerprint::new(u64::MAX - u64::from(number));
    Blueprint {
        folds: [("#[on] fn opened".to_owned(), fingerprint)].into(),
        models: [("cards".to_owned(), fingerprint)].into(),
        events: vec!["opened".to_owned()],
        partition: Some("account".to_owned()),
    }
}

/// The live versions, and those that have been live.
fn live(versions: &[ProjectionVersion]) -> (Vec<u32>, Vec<u32>) {
    let numbers = |is: fn(&ProjectionVersion) -> bool| {
        let matching = versions.iter().filter(|it| is(it));
        matching.map(|it| it.version).collect()
    };
    (numbers(|it| it.is_live), numbers(|it| it.was_live))
}
