use cqrs_core::store::{AppendError, EventLog};

use super::client::{append, command, head, open, open_many, state};
use super::draft::{Draft, state_key, tagged};
use crate::tasks::race;
use crate::{LogFixture, Outcome};

/// A command without events is recorded: sending it again returns the first result, and another
/// body under its id is an error (I6). If positions are contiguous, it takes none.
pub async fn a_command_without_events_is_recorded<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    for _ in 0..2 {
        let before = head(&*store).await;
        let draft = Draft::new();
        let appended = append(&*store, &draft).await;
        let after = head(&*store).await;
        assert_eq!((appended.count, appended.replayed), (0, false));
        assert_eq!(
            (appended.first, appended.last),
            (after, after),
            "its positions are the head"
        );
        if store.capabilities().contiguous {
            assert_eq!(after, before, "it takes no position");
        }
        append(&*store, &Draft::new().event("noted", &["book:B"])).await;

        let again = append(&*store, &draft).await;
        assert_eq!(
            (again.first, again.last, again.count, again.replayed),
            (appended.first, appended.last, 0, true),
            "I6: the first answer comes again"
        );
        let stored = command(&*store, &draft).await.expect("it is recorded");
        assert_eq!(
            (stored.first, stored.last, stored.count),
            (appended.first, appended.last, 0)
        );
        let other = store.append(draft.fingerprint(9).0).await;
        assert!(
            matches!(other, Err(AppendError::CommandMismatch { .. })),
            "I6: another body under its id: {other:?}"
        );
    }
}

/// A command without events is decided by its boundary, like any other.
pub async fn a_command_without_events_has_a_boundary<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let start = head(&*store).await;
    let noted = append(&*store, &Draft::new().event("noted", &["book:B"])).await;
    let stale = Draft::new().unless(tagged("book:B"), start);
    let refused = store.append(stale.0.clone()).await;
    assert!(
        matches!(refused, Err(AppendError::Conflict { .. })),
        "I2: {refused:?}"
    );
    assert!(command(&*store, &stale).await.is_none(), "I1: no trace");
    let decided = Draft::new().unless(tagged("book:B"), noted.last);
    append(&*store, &decided).await;
}

/// A command without events may write a state, as of the head.
pub async fn a_command_without_events_may_write_a_state<F: LogFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    if store.capabilities().states.is_none() {
        return Outcome::NotClaimed("states");
    }
    append(&*store, &Draft::new().event("noted", &["book:B"])).await;
    let appended = append(&*store, &Draft::new().state("book", "B", "1", None)).await;
    let state = state(&*store, state_key("book", "B"))
        .await
        .expect("it was written");
    assert_eq!((state.body, state.position), (b"1".to_vec(), appended.last));
    Outcome::Kept
}

/// Commands with and without events succeed together.
pub async fn commands_with_and_without_events_come_together<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let racers = (0..24).map(|racer| {
        let store = stores[racer % 2].clone();
        let draft = match racer % 3 {
            0 => Draft::new(),
            _ => Draft::new().event("noted", &["book:B"]),
        };
        async move { (store.append(draft.0.clone()).await, draft) }
    });
    for (outcome, draft) in race(racers).await {
        let appended = outcome.expect("no boundary, no conflict");
        let known = command(&*stores[0], &draft).await.expect("it is recorded");
        assert_eq!((known.first, known.last), (appended.first, appended.last));
    }
    let noted = super::client::matching(&*stores[1], tagged("book:B")).await;
    assert_eq!(noted.len(), 16);
}
