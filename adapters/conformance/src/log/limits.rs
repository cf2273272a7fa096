use cqrs_core::store::{EventLog, EventQuery};

use super::client::{append, log, matching, open, state};
use super::draft::{Draft, item};
use crate::LogFixture;

/// The largest append that the log's limits allow is recorded, and read back as it was sent.
/// Larger ones are refused before they reach the log.
pub async fn limits_can_be_reached<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let limits = store.capabilities().limits;
    let name = |number: usize| format!("{number:0>width$}", width = limits.name);
    let tags: Vec<_> = (0..limits.tags).map(name).collect();
    let payload = vec![b'1'; limits.payload];
    let text = std::str::from_utf8(&payload).expect("digits");
    let mut draft = Draft::new()
        .payload(name(1), &tags, payload.clone())
        .state("large", &name(3), text, None)
        .claimed_by(&*store);
    draft.0.actor = Some(name(2));
    append(&*store, &draft).await;
    let stored = log(&*store).await;
    assert!(
        draft.is_recorded_as(0, &stored[0]),
        "the largest event is read back as it was sent"
    );
    for write in &draft.0.states {
        let state = state(&*store, write.key.clone()).await;
        assert!(
            state.is_some_and(|state| state.body == payload),
            "the largest state is read back as it was sent"
        );
    }

    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    let all_tags = EventQuery::Items(vec![item(&[], &tags)]);
    let found = matching(&*store, all_tags).await;
    assert_eq!(found.len(), 1, "found by all its tags");

    let many = (0..limits.events).fold(Draft::new(), |draft, _| draft.event("many", &["a:1"]));
    let appended = append(&*store, &many).await;
    assert_eq!(appended.count, limits.events as u64);
    assert_eq!(log(&*store).await.len(), limits.events + 1);
}
