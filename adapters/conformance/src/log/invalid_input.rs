use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{AppendError, EventLog, EventQuery, Limits, Recorded};

use super::client::{append, log, matching, open, open_many, send_all};
use super::draft::{Draft, item, micros, tagged};
use crate::LogFixture;

/// A command that a store has to refuse.
fn refused(limits: Limits) -> Vec<(&'static str, Draft)> {
    let long = "x".repeat(limits.name + 1);
    let tags: Vec<_> = (0..=limits.tags)
        .map(|number| format!("tag:{number}"))
        .collect();
    let large = vec![b'1'; limits.payload + 1];
    let many = (0..=limits.events).fold(Draft::new(), |draft, _| draft.event("many", &[]));
    let mut actor = Draft::new().event("noted", &["poison:P"]);
    actor.0.actor = Some(long.clone());
    let mut nul_actor = Draft::new().event("noted", &["poison:P"]);
    nul_actor.0.actor = Some("clerk\0".to_owned());
    let mut state = Draft::new()
        .event("noted", &["poison:P"])
        .state("poison", "P", "", None);
    state.0.states[0].body.clone_from(&large);
    vec![
        (
            "a large payload",
            Draft::new().payload("noted", &["poison:P"], large),
        ),
        ("a large state", state),
        (
            "a long type",
            Draft::new().payload(long.clone(), &["poison:P"], b"1".to_vec()),
        ),
        (
            "a long tag",
            Draft::new().payload("noted", &[long], b"1".to_vec()),
        ),
        ("a long actor", actor),
        (
            "many tags",
            Draft::new().payload("noted", &tags, b"1".to_vec()),
        ),
        ("many events", many),
        (
            "U+0000 in a tag",
            Draft::new().event("noted", &["nul:\0:end", "poison:P"]),
        ),
        (
            "U+0000 in a type",
            Draft::new().event("no\0ted", &["poison:P"]),
        ),
        ("U+0000 in the actor", nul_actor),
        (
            "U+0000 in a state's id",
            Draft::new()
                .event("noted", &["poison:P"])
                .state("poison", "P\0", "", None),
        ),
        ("a good event before a bad one", {
            let draft = Draft::new().event("noted", &["poison:P"]);
            draft.payload("noted", &["poison:P"], vec![b'1'; limits.payload + 1])
        }),
    ]
}

/// Commands that a store may refuse as invalid; if it takes one it has to keep it as it is.
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
    let wide = (0..1_500).map(|number| item(&["no"], &[&format!("none:{number}")]));
    let wide = event("noted", &["poison:P"], b"{}")
        .unless(EventQuery::Items(wide.collect()), Position::START);
    drafts.push(("a boundary of many items", wide));
    let tags: Vec<_> = (0..200).map(|number| format!("none:{number}")).collect();
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    let deep = EventQuery::Items(vec![item(&["no"], &tags)]);
    drafts.push((
        "a boundary of many tags",
        event("n", &[], b"{}").unless(deep, Position::START),
    ));
    drafts
}

/// I11: a command that cannot be stored is refused alone: those that come with it are done, those
/// after it too.
pub async fn i11_a_bad_command_fails_alone<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let good = |number: usize| Draft::new().event("noted", &[&format!("good:{number}")]);
    let bad = refused(stores[0].capabilities().limits);
    let names: Vec<_> = bad.iter().map(|(name, _)| *name).collect();
    let count = bad.len();
    let drafts = bad
        .into_iter()
        .enumerate()
        .flat_map(|(number, (_, bad))| [bad, good(2 * number), good(2 * number + 1)]);
    let outcomes = send_all(&stores[0], drafts.collect()).await;
    for (place, outcome) in outcomes.into_iter().enumerate() {
        let name = names[place / 3];
        match outcome {
            Ok(_) => assert_ne!(place % 3, 0, "{name} was taken"),
            Err(error) => {
                assert_eq!(
                    place % 3,
                    0,
                    "I11: a good command beside {name} failed: {error}"
                );
                let invalid = matches!(error, AppendError::Invalid { .. });
                assert!(invalid, "{name} is refused with the wrong error: {error}");
            }
        }
    }
    let log = log(&*stores[1]).await;
    assert_eq!(log.len(), 2 * count);
    assert_eq!(
        matching(&*stores[1], tagged("poison:P")).await.len(),
        0,
        "nothing of the bad ones"
    );
    append(&*stores[0], &good(99)).await;
}

/// I12: a command with odd content is refused, without a trace and without harm to those beside it
/// (I11), or read back exactly as it was sent, and found by its tags.
pub async fn i12_odd_content_is_kept_or_refused<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    super::client::fill(&store, 100, "noted", &["good:G"]).await;
    let odd = doubtful();
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

/// That the one event of a command is as it was sent, and that its state is.
async fn assert_kept<S: EventLog>(store: &S, log: &[Arc<Recorded>], name: &str, draft: &Draft) {
    let event = log.iter().find(|event| event.meta.command == draft.id());
    let event = event.unwrap_or_else(|| panic!("I12: {name} was accepted, and is not there"));
    let before = Position::new(event.position.get() - 1);
    let expected = draft
        .0
        .clone()
        .record(before, event.meta.time)
        .next()
        .expect("one event");
    assert_eq!(
        **event, expected,
        "I12: {name} was accepted, and is not what was sent"
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
        let stored = store
            .capabilities()
            .states
            .expect("it keeps states")
            .states(vec![write.key.clone()])
            .await
            .expect("states")
            .remove(0);
        let body = stored.map(|state| state.body);
        assert_eq!(body.as_ref(), Some(&write.body), "the state of {name}");
    }
}
