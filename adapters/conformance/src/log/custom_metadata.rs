use std::collections::HashMap;
use std::sync::Arc;

use cqrs_core::store::{CustomMetadata, EventLog, EventQuery, EventQueryItem, Recorded};
use cqrs_core::{CommandId, Position};

use super::client::{append, log, matching, open, open_many};
use super::draft::{Draft, item, only, tagged};
use crate::LogFixture;
use crate::tasks::race;

const TAG: &str = "meta:M";

/// A command with this metadata, which may have tags of all kinds, several events, or a given id.
fn draft(number: usize) -> Draft {
    let draft = match number % 5 {
        0 => Draft::new().event("noted", &[TAG]),
        1 => Draft::assigned().event("noted", &[TAG]),
        2 => Draft::assigned()
            .event("noted", &[TAG, "further:F"])
            .event("told", &["further:F", TAG]),
        3 => Draft::assigned()
            .event("told", &[TAG])
            .event("noted", &[TAG]),
        _ => Draft::new(),
    };
    let texts = [
        "plain",
        "",
        "\"quotes\" \\ and\nlines\u{1}",
        "größer-日本",
        "{\"a\":[1]}",
    ];
    let metadata = match number % 3 {
        0 => CustomMetadata::default(),
        1 => CustomMetadata::from([
            ("number", number.to_string().as_str()),
            ("text", texts[number % texts.len()]),
        ]),
        // As large as the limits allow.
        _ => (0..4)
            .map(|key| (format!("k{key}"), "x".repeat(1022)))
            .collect(),
    };
    Draft(draft.0.metadata(metadata))
}

/// I12: an event is read with the custom metadata of its command, which may have none: alone and in a batch, written
/// by several processes at once, after a restart, and by position, tag or type. The metadata of a command that is sent
/// again is not recorded.
pub async fn i12_custom_metadata_is_that_of_its_command<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let mut sent: Vec<Draft> = (0..15).map(draft).collect();
    for draft in &sent {
        append(&*stores[0], draft).await;
    }
    // Each depends on events that others may have recorded, and on none that any has.
    let racing: Vec<Draft> = (100..220)
        .map(|number| draft(number).unless(only(&["none"], &[TAG]), Position::START))
        .collect();
    let sends = racing.iter().zip(stores.iter().cycle());
    let outcomes = race(sends.map(|(draft, store)| {
        let (append, store) = (draft.0.clone(), store.clone());
        async move { store.append(append).await }
    }));
    for outcome in outcomes.await {
        outcome.expect("nothing is in the way");
    }
    sent.extend(racing);
    for original in sent.iter().take(10) {
        let other = CustomMetadata::from([("number", "other")]);
        let again = Draft(original.0.clone().given_id(true).metadata(other));
        assert!(
            append(&*stores[1], &again).await.replayed,
            "I6: a command is recorded once"
        );
    }
    let expected: HashMap<CommandId, CustomMetadata> = sent
        .iter()
        .map(|draft| (draft.id(), draft.0.metadata.clone()))
        .collect();
    for store in &stores {
        assert_metadata(&**store, &expected).await;
    }
    drop(stores);
    assert_metadata(&*open(fixture).await, &expected).await;
}

async fn assert_metadata<S: EventLog>(store: &S, expected: &HashMap<CommandId, CustomMetadata>) {
    let of = |items: &[EventQueryItem]| EventQuery::Items(items.to_vec());
    let both = of(&[item(&[], &[TAG, "further:F"])]);
    let typed = of(&[item(&["told"], &[])]);
    let mixed = of(&[item(&["told"], &[]), item(&[], &["further:F", TAG])]);
    assert_read(&log(store).await, expected);
    for query in [tagged(TAG), tagged("further:F"), both, typed, mixed] {
        assert_read(&matching(store, query).await, expected);
    }
}

fn assert_read(events: &[Arc<Recorded>], expected: &HashMap<CommandId, CustomMetadata>) {
    assert!(!events.is_empty(), "events are found");
    for event in events {
        let (position, found) = (event.position, &event.meta.custom);
        let sent = &expected[&event.meta.command];
        assert_eq!(found, sent, "I12: the metadata of the event at {position}");
    }
}
