use cqrs_core::Position;
use cqrs_core::store::{AppendError, Appended, EventLog};

use super::client::{append, head, open, open_many};
use super::draft::{Draft, state_key, tagged};
use crate::LogFixture;
use crate::tasks::race;

/// A command without events is recorded all the same: its positions are the head, it takes no
/// place in the log, and sending it again answers as the first time.
pub async fn a_command_without_events_is_recorded<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    for length in 0..2 {
        let draft = Draft::new();
        let appended = append(&*store, &draft).await;
        let at = Position::new(length);
        assert_eq!(
            appended,
            Appended {
                first: at,
                last: at,
                count: 0,
                time: None,
                replayed: false
            }
        );
        assert_eq!(head(&*store).await, at, "it takes no place");
        append(&*store, &Draft::new().event("noted", &["book:B"])).await;

        let again = append(&*store, &draft).await;
        assert_eq!(
            again,
            Appended {
                replayed: true,
                ..appended
            },
            "I6: the head of then"
        );
        let stored = store
            .command(draft.id())
            .await
            .expect("commands")
            .expect("it is recorded");
        assert_eq!((stored.first, stored.last, stored.count), (at, at, 0));
        let other = store.append(draft.fingerprint(9).0).await;
        assert!(
            matches!(other, Err(AppendError::CommandMismatch { .. })),
            "I6: {other:?}"
        );
    }
}

/// A command without events is decided by its boundary as any other.
pub async fn a_command_without_events_has_a_boundary<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let at = append(&*store, &Draft::new().event("noted", &["book:B"]))
        .await
        .last;
    let stale = Draft::new().unless(tagged("book:B"), Position::START);
    let refused = store.append(stale.0.clone()).await;
    assert!(
        matches!(refused, Err(AppendError::Conflict { .. })),
        "I2: {refused:?}"
    );
    assert!(
        store.command(stale.id()).await.expect("commands").is_none(),
        "I1: no trace"
    );
    append(&*store, &Draft::new().unless(tagged("book:B"), at)).await;
}

/// A command without events may write a state, as of the head.
pub async fn a_command_without_events_may_write_a_state<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    append(&*store, &Draft::new().event("noted", &["book:B"])).await;
    append(&*store, &Draft::new().state("book", "B", "1", None)).await;
    let keys = vec![state_key("book", "B")];
    let state = store
        .capabilities()
        .states
        .expect("it keeps states")
        .states(keys)
        .await
        .expect("states")
        .remove(0)
        .expect("it was written");
    assert_eq!(
        (state.body, state.position),
        (b"1".to_vec(), Position::new(1))
    );
}

/// Commands with and without events come together, and all are done.
pub async fn commands_with_and_without_events_come_together<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let racers = (0..24).map(|racer| {
        let store = stores[racer % 2].clone();
        let draft = Draft::new();
        let draft = if racer % 3 == 0 {
            draft
        } else {
            draft.event("noted", &["book:B"])
        };
        async move { (draft.id(), store.append(draft.0).await) }
    });
    for (id, outcome) in race(racers).await {
        let appended = outcome.expect("no boundary, no conflict");
        let known = stores[0]
            .command(id)
            .await
            .expect("commands")
            .expect("it is recorded");
        assert_eq!((known.first, known.last), (appended.first, appended.last));
    }
    assert_eq!(head(&*stores[1]).await, Position::new(16));
}
