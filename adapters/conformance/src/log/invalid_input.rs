use std::sync::Arc;

use cqrs_core::store::{AppendError, EventLog, EventQuery, EventQueryItem, Recorded};
use cqrs_core::{CommandId, Position};

use super::client::{
    append, count_of, fill, head, log, matching, open, open_many, send_all, state,
};
use super::draft::{Draft, item, micros, tagged};
use crate::LogFixture;

/// Commands that a store may refuse as invalid. If it accepts one, it has to keep it unchanged.
fn doubtful() -> Vec<(&'static str, Draft)> {
    let event = |event_type: &str, tags: &[&str], payload: &[u8]| {
        Draft::new().payload(event_type, tags, payload.to_vec())
    };
    let mut drafts = vec![
        (
            "NUL in a payload",
            event("noted", &["poison:P"], b"{\"a\":\0}"),
        ),
        (
            "a payload that is not UTF-8",
            event("noted", &["poison:P"], b"\xff\xfe\0\x80"),
        ),
        (
            "a payload that is not JSON",
            event("noted", &["poison:P"], b"{]"),
        ),
        ("an empty payload", event("noted", &["poison:P"], b"")),
        ("an empty type", event("", &["poison:P"], b"{}")),
        ("an empty tag", event("noted", &["", "poison:P"], b"{}")),
        (
            "quotes",
            event("it's \"q\"", &["'\"`\\:%_", "a,b:[\"c\"]"], b"{}"),
        ),
        (
            "SQL",
            event(
                "'); DROP TABLE events; --",
                &["x:'); DELETE FROM events; --"],
                b"{}",
            ),
        ),
        ("line ends", event("a\r\nb", &["line:\n\u{2028}"], b"{}\n")),
        (
            "not ASCII",
            event(
                "größer-日本",
                &["ключ:🗝️", "e\u{301}:é"],
                "{\"ü\":1}".as_bytes(),
            ),
        ),
        (
            "the oldest time",
            event("noted", &["poison:P"], b"{}").at(micros(-377_705_023_201_000_000)),
        ),
    ];
    let mut actor = event("noted", &["poison:P"], b"{}");
    actor.0.actor = Some("a\u{1}b'\"\n".to_owned());
    drafts.push(("an odd actor", actor));
    let mut version = event("noted", &["poison:P"], b"{}");
    version.0.events[0].version = u32::MAX;
    drafts.push(("the largest version", version));
    let odd_state = event("noted", &["poison:P"], b"{}").state("p", "\u{1}'\"", "\0", None);
    drafts.push(("an odd state", odd_state));
    drafts.push((
        "an empty state",
        event("noted", &[], b"{}").state("p", "", "", None),
    ));
    let items = (0..1_500).map(|number| item(&["no"], &[&format!("none:{number}")]));
    let many_items = EventQuery::Items(items.collect());
    drafts.push((
        "a boundary of many items",
        event("noted", &["poison:P"], b"{}").unless(many_items, Position::START),
    ));
    let tags: Vec<_> = (0..200).map(|number| format!("none:{number}")).collect();
    let names: Vec<_> = tags.iter().map(String::as_str).collect();
    let many_tags = EventQuery::Items(vec![item(&["no"], &names)]);
    drafts.push((
        "a boundary of many tags",
        event("n", &[], b"{}").unless(many_tags, Position::START),
    ));
    drafts
}

/// I11: a command that cannot be recorded is refused alone, for every kind of reason: commands with
/// it and after it succeed.
pub async fn i11_a_bad_command_fails_alone<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let start = head(&*stores[0]).await;
    let taken = Draft::new().event("noted", &["poison:P"]);
    append(&*stores[0], &taken).await;
    let refusals = [
        ("a conflict", Draft::new().unless(tagged("poison:P"), start)),
        ("another body under a used id", taken.fingerprint(9)),
        (
            "a position above the head",
            Draft::new().unless(tagged("poison:P"), Position::new(u64::MAX >> 1)),
        ),
    ];
    let bad = refusals.map(|(name, draft)| (name, draft.event("noted", &["bad:B"])));
    let good = || Draft::new().event("noted", &["good:G"]);
    for round in 1..=4 {
        let drafts = bad
            .iter()
            .flat_map(|(_, bad)| [bad.clone(), good(), good()]);
        let outcomes = send_all(&stores[0], drafts.collect()).await;
        for (place, outcome) in outcomes.into_iter().enumerate() {
            let (name, is_bad) = (bad[place / 3].0, place % 3 == 0);
            match outcome {
                Ok(_) => assert!(!is_bad, "I11: {name} was accepted"),
                Err(error) => assert!(is_bad, "I11: a good command beside {name} failed: {error}"),
            }
        }
        let done = matching(&*stores[1], tagged("good:G")).await;
        assert_eq!(done.len(), round * 2 * bad.len());
        let none = matching(&*stores[1], tagged("bad:B")).await;
        assert!(none.is_empty(), "I11: nothing of the bad ones");
    }
}

/// I12: a command with unusual content is either refused, without a trace and without harm to
/// others (I11), or read back exactly as it was sent, and found by its tags.
pub async fn i12_odd_content_is_kept_or_refused<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    fill(&store, 100, "noted", &["good:G"]).await;
    let odd: Vec<_> = doubtful()
        .into_iter()
        .map(|(name, draft)| (name, draft.claimed_by(&*store)))
        .collect();
    let good = odd.iter().map(|_| Draft::new().event("noted", &["good:G"]));
    let sent = odd
        .iter()
        .map(|(_, draft)| draft.clone())
        .zip(good)
        .flat_map(|it| [it.0, it.1]);
    let outcomes = send_all(&store, sent.collect()).await;
    let log = log(&*store).await;
    for (place, outcome) in outcomes.into_iter().enumerate() {
        let (name, draft) = &odd[place / 2];
        match outcome {
            Ok(_) if place % 2 == 0 => assert_kept(&*store, &log, name, draft).await,
            Ok(_) => {}
            Err(AppendError::Invalid { .. }) if place % 2 == 0 => {
                let there = log.iter().any(|event| event.meta.command == draft.id());
                assert!(
                    !there,
                    "I1: {name} was refused, and something of it is there"
                );
            }
            Err(error) if place % 2 == 0 => panic!("{name} failed with the wrong error: {error}"),
            Err(error) => panic!("I11: a good command beside {name} failed: {error}"),
        }
    }
    append(&*store, &Draft::new().event("noted", &["good:G"])).await;
}

/// I12: accepted data is read back unchanged after a restart, by position, by type and by tag.
pub async fn i12_accepted_events_are_read_back_after_a_restart<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let mut accepted = Vec::new();
    for (name, draft) in doubtful() {
        let draft = draft.claimed_by(&*store);
        if store.append(draft.0.clone()).await.is_ok() {
            accepted.push((name, draft));
        }
    }
    drop(store);
    let store = open(fixture).await;
    let log = log(&*store).await;
    assert_eq!(log.len(), accepted.len(), "I12: events after a restart");
    for (name, draft) in &accepted {
        assert_kept(&*store, &log, name, draft).await;
        let types = draft.0.events.iter().map(|event| event.event_type.clone());
        let of_types = EventQueryItem {
            types: types.collect(),
            tags: Vec::new(),
        };
        let found = matching(&*store, EventQuery::Items(vec![of_types])).await;
        assert_eq!(count_of(&found, draft), 1, "I12: {name}, by its type");
    }
}

/// I12: each event of a command is kept, also one that is equal to another, with the actor and the
/// cause of the command.
pub async fn i12_equal_events_are_kept_with_their_metadata<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let equal = |draft: Draft| draft.payload("noted", &["poison:P"], b"{}".to_vec());
    let mut draft = equal(equal(equal(Draft::new())));
    draft.0.actor = Some("alice".to_owned());
    draft.0.correlation = CommandId::new().as_uuid();
    draft.0.causation = CommandId::new().as_uuid();
    append(&*store, &draft).await;
    drop(store);
    let store = open(fixture).await;
    for events in [
        log(&*store).await,
        matching(&*store, tagged("poison:P")).await,
    ] {
        assert_eq!(events.len(), 3, "I12: equal events of one command");
        for (index, event) in events.iter().enumerate() {
            assert!(
                draft.is_recorded_as(index, event),
                "I12: event {index} is not what was sent: {event:?}"
            );
        }
    }
}

/// Asserts that the event and the state of a command are as they were sent.
async fn assert_kept<S: EventLog>(store: &S, log: &[Arc<Recorded>], name: &str, draft: &Draft) {
    let Some(event) = log.iter().find(|event| event.meta.command == draft.id()) else {
        panic!("I12: {name} was accepted, and is not there");
    };
    assert!(
        draft.is_recorded_as(0, event),
        "I12: {name} was accepted, and is not what was sent: {event:?}"
    );
    for tag in &event.data.tags {
        let found = matching(store, tagged(tag.as_str())).await;
        assert!(
            found.contains(event),
            "{name} is not found by its tag {tag:?}"
        );
        assert!(
            found.iter().all(|it| it.data.tags.contains(tag)),
            "{tag:?} finds what lacks it"
        );
    }
    for write in &draft.0.states {
        let state = state(store, write.key.clone()).await;
        let body = state.map(|state| state.body);
        assert_eq!(body.as_ref(), Some(&write.body), "I12: the state of {name}");
    }
}
