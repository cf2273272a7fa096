use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::store::{Checkpoint, LastEvent, ModelSchema, Shard, SortKey, ViewStore};
use cqrs_core::{CommandId, EventId, Position};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::client::{
    checkpoint, commit, is_atomic, load, load_to_fold, open, open_many, prepare,
    wait_until_visible, whole_checkpoint,
};
use super::draft::{batch, cards, delete, model, put, put_sorted, said_new};
use crate::tasks::finish;
use crate::{Outcome, ViewFixture};

/// V1: views are written, changed and deleted by key, and the checkpoint moves with them. All of it
/// survives a restart.
pub async fn v1_views_are_written_with_their_checkpoint<F: ViewFixture>(fixture: &F) {
    let store = open(fixture).await;
    let (cards, prices) = (cards(), model("prices_1", &["rank"]));
    let models = vec![ModelSchema::clone(&cards), ModelSchema::clone(&prices)];
    let prepared = store.prepare(models.clone()).await;
    prepared.expect("models can be prepared");
    assert_eq!(
        checkpoint(&*store).await,
        None,
        "V1: before the first batch"
    );
    assert_eq!(load(&*store, &cards, &["a"]).await, [None]);

    let first = vec![
        put(&cards, "a", "1"),
        put(&cards, "b", "2"),
        put(&prices, "a", "9"),
    ];
    commit(&*store, batch(None, 3, first)).await;
    let second = vec![
        put(&cards, "a", "3"),
        delete(&cards, "b"),
        delete(&cards, "never there"),
    ];
    commit(&*store, batch(Some(3), 5, second)).await;
    commit(&*store, batch(Some(5), 9, Vec::new())).await;
    commit(&*store, batch(Some(9), 9, vec![put(&cards, "c", "4")])).await;
    // Which is right for the first, and wrong for the second.
    let new = ["d", "c"].map(|key| said_new(put(&cards, key, "5")));
    commit(&*store, batch(Some(9), 12, new.into())).await;

    let prepared = store.prepare(models).await;
    prepared.expect("preparing again changes nothing");
    drop(store);
    let store = open(fixture).await;
    assert_eq!(checkpoint(&*store).await, Some(12), "V1: after a restart");
    let found = load(&*store, &cards, &["c", "b", "a", "d", "A"]).await;
    let bodies: Vec<_> = found.iter().map(Option::as_deref).collect();
    let expected = [Some("5"), None, Some("3"), Some("5"), None];
    assert_eq!(bodies, expected, "V1: views in the order asked");
    let found = load(&*store, &prices, &["a", "c"]).await;
    assert_eq!(found, [Some("9".to_owned()), None], "V1: of another model");
    assert!(load(&*store, &prices, &[]).await.is_empty());
    let other = store
        .checkpoint(&Shard::whole("projection:other"))
        .await
        .expect("checkpoints can be read");
    assert_eq!(other, None, "V1: each subscription has its own checkpoint");
}

/// V1: a checkpoint is read as it was committed last, with the last event of that commit or without
/// one, also by another process and after a restart. It may go back to where a log lost events.
pub async fn v1_a_checkpoint_has_its_last_event<F: ViewFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    prepare(&*stores[0], &cards()).await;
    let command = CommandId::new();
    let event = |position, index| LastEvent {
        position: Position::new(position),
        id: EventId::of(command, index),
    };
    let mut from = None;
    let mut last = None;
    for (place, (to, last_event)) in [
        (4, Some(event(4, 0))),
        (9, Some(event(7, 1))),
        (9, Some(event(8, 2))),
        (5, Some(event(5, 3))),
        (6, None),
        (7, Some(event(5, 3))),
    ]
    .into_iter()
    .enumerate()
    {
        let mut batch = batch(from, to, Vec::new());
        batch.to.last_event = last_event;
        last = Some(batch.to);
        commit(&*stores[place % 2], batch).await;
        for store in &stores {
            let found = whole_checkpoint(&**store).await;
            assert_eq!(found, last, "V1: the checkpoint with its last event");
        }
        from = Some(to);
    }
    drop(stores);
    let found: Option<Checkpoint> = whole_checkpoint(&*open(fixture).await).await;
    assert_eq!(found, last, "V1: the checkpoint after a restart");
}

/// V1: views and checkpoint become visible together. A reader beside commits never sees one without
/// the other.
pub async fn v1_views_and_checkpoint_are_seen_together<F: ViewFixture>(fixture: &F) -> Outcome {
    /// Number of commits with a read of every reader in between.
    const SEEN: u32 = 40;
    /// Views in a batch, between the two that are looked at.
    const FILLERS: usize = 60;
    let stores = open_many(fixture, 2).await;
    if !is_atomic(&*stores[0]) {
        return Outcome::NotClaimed("atomic commits");
    }
    let cards = cards();
    prepare(&*stores[0], &cards).await;
    let done = Arc::new(AtomicBool::new(false));
    let progress: Vec<_> = stores.iter().map(|_| watch::Sender::new(0u32)).collect();
    let readers: Vec<_> = stores
        .iter()
        .zip(&progress)
        .map(|(store, progress)| {
            let reader = see_together(store.clone(), cards.clone(), done.clone(), progress.clone());
            tokio::spawn(reader)
        })
        .collect();
    let mut number = 0;
    while number < u64::from(SEEN) || !is_seen(&progress, SEEN, &readers) {
        number += 1;
        let body = number.to_string();
        let between = (0..FILLERS).map(|filler| format!("a-{filler}"));
        let keys = iter::once("a".to_owned())
            .chain(between)
            .chain(["b".to_owned()]);
        let changes = keys.map(|key| put(&cards, &key, &body)).collect();
        let from = (number > 1).then(|| number - 1);
        commit(&*stores[0], batch(from, number, changes)).await;
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::Release);
    finish(readers).await;
    Outcome::Kept
}

/// Whether each reader has seen this number of checkpoints, or one has ended early.
fn is_seen(progress: &[watch::Sender<u32>], count: u32, readers: &[JoinHandle<()>]) -> bool {
    progress.iter().all(|seen| *seen.borrow() >= count)
        || readers.iter().any(JoinHandle::is_finished)
}

/// Reads views and checkpoint until the writer is done. Reports the number of checkpoints seen.
async fn see_together<S: ViewStore>(
    store: Arc<S>,
    cards: Arc<ModelSchema>,
    done: Arc<AtomicBool>,
    seen: watch::Sender<u32>,
) {
    let mut last = 0;
    while !done.load(Ordering::Acquire) {
        let before = checkpoint(&*store).await.unwrap_or_default();
        let views = load_to_fold(&*store, &cards, &["a", "b"]).await;
        let after = checkpoint(&*store).await.unwrap_or_default();
        assert_eq!(
            views[0], views[1],
            "V1: views of one batch are seen together"
        );
        let view = match views[0].as_deref() {
            Some(body) => body.parse().expect("a number"),
            None => 0,
        };
        assert!(
            before <= view && view <= after,
            "V1: view {view} was seen between the checkpoints {before} and {after}"
        );
        if after != last {
            last = after;
            seen.send_modify(|count| *count += 1);
        }
        tokio::task::yield_now().await;
    }
}

/// Keys that stores get wrong: quotes, wildcards, NUL, non-ASCII and empty text.
const ODD: [&str; 10] = [
    "",
    " ",
    "\0",
    "it's",
    "\"\\",
    "%_*",
    "a\r\nb",
    "\u{1}\u{7f}",
    "größer-日本",
    "e\u{301}🗝️",
];

/// I12: an accepted view is read back as it was written, for all kinds of keys and bodies, even
/// after a restart.
pub async fn i12_a_view_is_read_back_as_it_was_written<F: ViewFixture>(fixture: &F) {
    let store = open(fixture).await;
    let cards = cards();
    prepare(&*store, &cards).await;
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    let keys: Vec<_> = ODD.into_iter().chain(["large"]).collect();
    let bodies: Vec<_> = (0..ODD.len())
        .map(|number| format!("{{\"number\":{number},\"text\":\"größer\\n日本 🗝️\"}}"))
        .chain([large])
        .collect();
    let changes = keys.iter().zip(&bodies).map(|(key, body)| {
        let rank = SortKey::from(key.as_bytes().to_vec());
        put_sorted(&cards, key, body.as_bytes(), vec![rank])
    });
    commit(&*store, batch(None, 1, changes.collect())).await;
    wait_until_visible(&*store).await;
    drop(store);

    let store = open(fixture).await;
    let written: Vec<_> = bodies.into_iter().map(Some).collect();
    for (loaded, how) in [
        (load(&*store, &cards, &keys).await, "a query"),
        (load_to_fold(&*store, &cards, &keys).await, "a projection"),
    ] {
        for ((key, written), loaded) in keys.iter().zip(&written).zip(loaded) {
            assert!(
                loaded == *written,
                "I12: the view {key:?} was accepted, and {how} reads {loaded:?}"
            );
        }
    }
}
