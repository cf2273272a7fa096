use cqrs_core::store::{AppendError, EventLog, EventQuery};

use super::client::{append, log, open};
use super::draft::{Draft, item};
use crate::LogFixture;

/// What is as large as the limits allow is taken and kept.
pub async fn limits_can_be_reached<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let limits = store.capabilities().limits;
    let name = |number: usize| format!("{number:0>width$}", width = limits.name);
    let tags: Vec<_> = (0..limits.tags).map(name).collect();
    let payload = vec![b'1'; limits.payload];
    let mut draft = Draft::new().payload(name(1), &tags, payload.clone());
    draft.0.actor = Some(name(2));
    let draft = draft.state(
        "large",
        &name(3),
        std::str::from_utf8(&payload).expect("text"),
        None,
    );
    append(&*store, &draft).await;
    let expected = draft
        .0
        .clone()
        .record(cqrs_core::Position::START, draft.0.time)
        .next()
        .expect("one event");
    let stored = log(&*store).await;
    assert!(*stored[0] == expected, "the largest event is kept as it is");
    let state = store
        .capabilities()
        .states
        .expect("it keeps states")
        .states(vec![draft.0.states[0].key.clone()])
        .await
        .expect("states")
        .remove(0);
    assert!(
        state.is_some_and(|state| state.body == payload),
        "the largest state is kept"
    );

    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    let all_tags = EventQuery::Items(vec![item(&[], &tags)]);
    assert_eq!(
        super::client::matching(&*store, all_tags).await.len(),
        1,
        "found by all its tags"
    );

    let many = (0..limits.events).fold(Draft::new(), |draft, _| draft.event("many", &["a:1"]));
    let appended = append(&*store, &many).await;
    assert_eq!(appended.count, limits.events as u64);
    assert_eq!(log(&*store).await.len(), limits.events + 1);
}

/// What is larger is refused as invalid, in words that say what and how much is allowed.
pub async fn limits_are_named<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let limits = store.capabilities().limits;
    let large = vec![b'1'; limits.payload + 1];
    let tags: Vec<_> = (0..=limits.tags)
        .map(|number| format!("tag:{number}"))
        .collect();
    let refused = [
        (
            limits.payload,
            Draft::new().payload("noted", &["a:1"], large),
        ),
        (
            limits.tags,
            Draft::new().payload("noted", &tags, b"1".to_vec()),
        ),
        (
            limits.name,
            Draft::new().payload("x".repeat(limits.name + 1), &["a:1"], b"1".to_vec()),
        ),
    ];
    for (limit, draft) in refused {
        match store.append(draft.0).await {
            Err(AppendError::Invalid { reason }) => {
                let limit = limit.to_string();
                assert!(
                    reason.contains(&limit),
                    "the reason names the limit {limit}: {reason}"
                );
            }
            outcome => panic!("beyond the limit of {limit}: {outcome:?}"),
        }
    }
    assert!(log(&*store).await.is_empty());
}
