use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{AppendError, EventLog, EventQuery, ReadRange, StoreError, Subscription};

use super::client::{append, follow, head, log, open, open_many, send_all};
use super::draft::{Draft, state_key, tagged};
use crate::LogFixture;

/// I7: what was acknowledged is there after a restart, with all that belongs to it, and so is
/// what another process saw. (That the process may be killed instead, or the power fail, is for
/// the store's own tests: only they know how to do that to it.)
pub async fn i7_acknowledged_survives_a_restart<F: LogFixture>(fixture: &F) {
    let mut sent: Vec<Draft> = Vec::new();
    for life in 0..4 {
        let stores = open_many(fixture, 2).await;
        let before = log(&*stores[0]).await;
        assert_eq!(before.len(), sent.len(), "I7: events after restart {life}");
        for draft in &sent {
            let there = before
                .iter()
                .filter(|event| event.meta.command == draft.id())
                .count();
            assert_eq!(there, 1, "I7: an acknowledged command after restart {life}");
            let key = draft.0.states[0].key.clone();
            let state = store_state(&*stores[1], key).await.expect("I7: its state");
            assert_eq!(state, draft.0.states[0].body);
            assert!(
                stores[1]
                    .command(draft.id())
                    .await
                    .expect("commands")
                    .is_some()
            );
        }
        let drafts: Vec<_> = (0..10)
            .map(|number| {
                let id = format!("{life}-{number}");
                Draft::new()
                    .event("sold", &["item:1"])
                    .state("sale", &id, &id, None)
            })
            .collect();
        for outcome in send_all(&stores[life % 2], drafts.clone()).await {
            outcome.expect("the append succeeds");
        }
        sent.extend(drafts);
        let end = Position::new(sent.len() as u64);
        let seen = follow(stores[1 - life % 2].clone(), EventQuery::All, end).await;
        assert_eq!(seen.len(), sent.len());
    }
}

async fn store_state<S: EventLog>(store: &S, key: cqrs_core::store::StateKey) -> Option<Vec<u8>> {
    let mut states = store
        .capabilities()
        .states
        .expect("it keeps states")
        .states(vec![key])
        .await
        .expect("states can be read");
    states.pop().flatten().map(|state| state.body)
}

/// I8: after a restart the log is a gap-free prefix of what was sent, goes on where it ended, and
/// is still the same log.
pub async fn i8_the_log_goes_on_after_a_restart<F: LogFixture>(fixture: &F) {
    let mut identity = None;
    for life in 0..3 {
        let store = open(fixture).await;
        let id = *identity.get_or_insert(store.heads().log_id());
        assert_eq!(store.heads().log_id(), id, "I8: the log's identity stays");
        let before = head(&*store).await;
        assert_eq!(before, Position::new(life * 3));
        let draft = Draft::new()
            .event("a", &["x:1"])
            .event("b", &["x:1"])
            .event("c", &["x:2"]);
        assert_eq!(
            append(&*store, &draft).await.first,
            before.plus(1),
            "I8: goes on at the end"
        );
        let refused = store
            .append(Draft::new().unless(tagged("x:1"), before).0)
            .await;
        assert!(
            matches!(refused, Err(AppendError::Conflict { .. })),
            "I2: after a restart"
        );
        log(&*store).await;
    }
}

/// I2 and I10 after a restart, when nothing is in memory yet.
pub async fn i8_boundaries_hold_across_a_restart<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let at = append(&*store, &Draft::new().event("renamed", &["user:U"]))
        .await
        .last;
    let end = append(&*store, &Draft::new().event("visited", &["page:P"]))
        .await
        .last;
    drop(store);
    let store = open(fixture).await;
    let refused = store
        .append(Draft::new().unless(tagged("user:U"), Position::START).0)
        .await;
    assert!(matches!(refused, Err(AppendError::Conflict { at: found }) if found == at));
    append(&*store, &Draft::new().unless(tagged("user:U"), at)).await;
    append(&*store, &Draft::new().unless(tagged("user:U"), end)).await;
}

/// I8: a position above the head, as a restored backup leaves it behind in checkpoints and in
/// callers' memory, is reported as `Rewound`, not taken for "nothing new yet".
pub async fn i8_a_position_above_the_head_is_rewound<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    for length in 0..2 {
        let head = Position::new(length);
        let seen = Position::new(7);
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
            .expect("a page");
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
        append(
            &*store,
            &Draft::new()
                .event("visited", &["page:P"])
                .state("page", "P", "1", {
                    let stored = store
                        .capabilities()
                        .states
                        .expect("it keeps states")
                        .states(vec![state_key("page", "P")])
                        .await
                        .expect("states");
                    stored[0].as_ref().map(|state| state.position)
                }),
        )
        .await;
    }
}
