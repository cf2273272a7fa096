use std::sync::Arc;

use cqrs_core::store::{AppendError, EventLog, EventQuery, ReadRange, StoreError};
use cqrs_kit::Subscription;

use super::client::{
    FinalPosition, append, command, count_of, follow, head, log, open, open_many, send_all, state,
};
use super::draft::{Draft, tagged};
use crate::LogFixture;

/// I7: after a restart, every acknowledged append is present with all of its parts, and so is
/// everything that another process had seen. (Killed processes and power failures are left to the
/// store's own tests.)
pub async fn i7_acknowledged_survives_a_restart<F: LogFixture>(fixture: &F) {
    let mut sent: Vec<Draft> = Vec::new();
    for life in 0..4 {
        let stores = open_many(fixture, 2).await;
        let before = log(&*stores[0]).await;
        // One event per restart has woken the follower.
        let count = sent.len() + life;
        assert_eq!(before.len(), count, "I7: events after restart {life}");
        for draft in &sent {
            let there = count_of(&before, draft);
            assert_eq!(there, 1, "I7: an acknowledged command after restart {life}");
            assert!(command(&*stores[1], draft).await.is_some(), "I7: its id");
            for write in &draft.0.states {
                let state = state(&*stores[1], write.key.clone())
                    .await
                    .expect("I7: its state");
                assert_eq!(state.body, write.body);
            }
        }
        let mut drafts = Vec::new();
        for number in 0..10 {
            let id = format!("{life}-{number}");
            let draft = Draft::new().event("sold", &["item:1"]);
            drafts.push(draft.state("sale", &id, &id, None).claimed_by(&*stores[0]));
        }
        for outcome in send_all(&stores[life % 2], drafts.clone()).await {
            outcome.expect("the append succeeds");
        }
        sent.extend(drafts);
        let end = FinalPosition::default();
        end.at_head(&*stores[life % 2]).await;
        let seen = follow(stores[1 - life % 2].clone(), EventQuery::All, end).await;
        assert_eq!(seen.len(), sent.len() + life, "I7: seen by another process");
    }
}

/// I8: after a restart the log has the appended events, continues at its end, and has the same
/// identity.
pub async fn i8_the_log_goes_on_after_a_restart<F: LogFixture>(fixture: &F) {
    let mut identity = None;
    let mut last = head(&*open(fixture).await).await;
    for life in 0..3 {
        let store = open(fixture).await;
        let id = *identity.get_or_insert(store.heads().log_id());
        assert_eq!(
            store.heads().log_id(),
            id,
            "I8: the id of the log is stored, and passed to `Heads::of_log`"
        );
        let before = head(&*store).await;
        assert_eq!(before, last, "I8: the head stays");
        assert_eq!(log(&*store).await.len(), life * 3);
        let draft = Draft::new()
            .event("a", &["x:1"])
            .event("b", &["x:1"])
            .event("c", &["x:2"]);
        let appended = append(&*store, &draft).await;
        assert!(appended.first > before, "I8: it goes on at the end");
        last = appended.last;
        let stale = Draft::new().unless(tagged("x:1"), before);
        let refused = store.append(stale.0).await;
        assert!(
            matches!(refused, Err(AppendError::Conflict { .. })),
            "I2: after a restart"
        );
    }
}

/// I2 and I10 hold after a restart, with nothing in memory yet.
pub async fn i8_boundaries_hold_across_a_restart<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let start = head(&*store).await;
    let renamed = append(&*store, &Draft::new().event("renamed", &["user:U"])).await;
    let visited = append(&*store, &Draft::new().event("visited", &["page:P"])).await;
    drop(store);
    let store = open(fixture).await;
    let stale = Draft::new().unless(tagged("user:U"), start);
    let refused = store.append(stale.0).await;
    assert!(
        matches!(refused, Err(AppendError::Conflict { at }) if at == renamed.last),
        "I2: after a restart: {refused:?}"
    );
    for after in [renamed.last, visited.last] {
        let draft = Draft::new().event("seen", &["user:V"]);
        append(&*store, &draft.unless(tagged("user:U"), after)).await;
    }
}

/// I8: a position above the head is reported as `Rewound`, and not mistaken for "nothing new yet".
/// A restored backup leaves such positions in checkpoints and in the memory of callers.
pub async fn i8_a_position_above_the_head_is_rewound<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    for _ in 0..2 {
        let head = head(&*store).await;
        let seen = head.plus(7);
        let drafts = [Draft::new(), Draft::new().event("renamed", &["user:U"])];
        for draft in drafts {
            let outcome = store.append(draft.unless(tagged("user:U"), seen).0).await;
            assert!(
                matches!(outcome, Err(AppendError::Store(StoreError::Rewound { head: h, seen: s })) if h == head && s == seen),
                "I8: an append that was decided at {seen} of a log that ends at {head}: {outcome:?}"
            );
        }
        let page = store
            .read(EventQuery::All, ReadRange::after(seen))
            .await
            .expect("the log can be read");
        assert_eq!(
            (page.as_of, page.events.len()),
            (head, 0),
            "I8: `as_of` is below `after`"
        );
        let log: Arc<dyn EventLog> = store.clone();
        let outcome = Subscription::new(log, EventQuery::All, seen).next(10).await;
        assert!(
            matches!(outcome, Err(StoreError::Rewound { head: h, seen: s }) if h == head && s == seen),
            "I8: a subscription from {seen} of a log that ends at {head}: {outcome:?}"
        );
        append(&*store, &Draft::new().event("visited", &["page:P"])).await;
    }
}
