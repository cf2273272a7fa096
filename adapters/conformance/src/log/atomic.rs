use cqrs_core::store::{AppendError, EventLog, EventQuery, StateWrite};

use super::client::{append, command, count_of, head, log, matching, open, state, states};
use super::draft::{Draft, tagged};
use crate::LogFixture;
use crate::tasks::poll_then_drop;

/// A command with every part that an append can have, under the tag `order:{name}`.
fn whole(log: &impl EventLog, name: &str) -> Draft {
    let order = format!("order:{name}");
    Draft::new()
        .event("placed", &[&order, "customer:C"])
        .event("paid", &[&order])
        .event("shipped", &[&order, "carrier:D"])
        .state("order", name, r#"{"shipped":true}"#, None)
        .state("stock", name, r#"{"left":3}"#, None)
        .claimed_by(log)
}

/// The recorded parts of a command: the numbers of its events and states, and its id.
async fn traces<S: EventLog>(store: &S, draft: &Draft) -> (usize, usize, bool) {
    let writes = &draft.0.states;
    let keys: Vec<_> = writes.iter().map(|write| write.key.clone()).collect();
    let states = if keys.is_empty() {
        0
    } else {
        states(store, keys).await.iter().flatten().count()
    };
    let events = count_of(&log(store).await, draft);
    (events, states, command(store, draft).await.is_some())
}

/// I1: an append records all of its events, tags, states and its command id.
pub async fn i1_an_append_is_whole<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let before = append(&*store, &Draft::new().event("opened", &["shop:S"])).await;
    let draft = whole(&*store, "1");
    let appended = append(&*store, &draft).await;

    assert_eq!((appended.count, appended.replayed), (3, false));
    assert_eq!(head(&*store).await, appended.last);
    for (query, count, how) in [
        (tagged("order:1"), 3, "by the shared tag"),
        (tagged("carrier:D"), 1, "by another tag"),
        (EventQuery::typed(["paid"]), 1, "by type"),
    ] {
        let found = matching(&*store, query).await.len();
        assert_eq!(found, count, "I1: events found {how}");
    }

    let stored = log(&*store).await.split_off(1);
    assert_eq!(stored.len(), 3, "I1: events");
    assert!(stored[0].position > before.last);
    assert_eq!(
        (appended.first, appended.last),
        (stored[0].position, stored[2].position)
    );
    for (index, event) in stored.iter().enumerate() {
        assert!(
            draft.is_recorded_as(index, event),
            "I1: event {index} is not what was sent: {event:?}"
        );
    }
    for StateWrite { key, body, .. } in &draft.0.states {
        let state = state(&*store, key.clone())
            .await
            .expect("I1: the state was written");
        assert_eq!((&state.body, state.position), (body, appended.last));
    }
    let command = command(&*store, &draft)
        .await
        .expect("I1: the id was recorded");
    assert_eq!(command.fingerprint, draft.0.fingerprint);
    assert_eq!(
        (command.first, command.last, command.count),
        (appended.first, appended.last, 3)
    );
}

/// I1: a refused append leaves nothing behind, for every kind of refusal, and its command id can be
/// used again.
pub async fn i1_a_refused_append_leaves_no_trace<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let before = append(&*store, &Draft::new().event("opened", &["shop:S"])).await;
    let moved = Draft::new()
        .event("moved", &["shop:S"])
        .state("stock", "taken", "1", None);
    append(&*store, &moved.claimed_by(&*store)).await;

    let mut refused = vec![(
        whole(&*store, "boundary").unless(tagged("shop:S"), before.last),
        "boundary",
    )];
    if store.capabilities().states.is_some() {
        let stale = whole(&*store, "state").state("stock", "taken", "2", None);
        refused.push((stale, "state"));
    }
    let count = refused.len();
    for (mut draft, name) in refused {
        let outcome = store.append(draft.0.clone()).await;
        assert!(
            matches!(outcome, Err(AppendError::Conflict { .. })),
            "I1: refused for its {name} with another outcome: {outcome:?}"
        );
        draft.0.states.truncate(2);
        assert_eq!(
            traces(&*store, &draft).await,
            (0, 0, false),
            "I1: refused for its {name}"
        );
        let tag = format!("order:{name}");
        let found = matching(&*store, tagged(&tag)).await;
        assert!(found.is_empty(), "I1: refused for its {name}");

        let again = Draft::with_id(draft.id()).fingerprint(2);
        let appended = append(&*store, &again.event("placed", &[&tag])).await;
        assert!(
            !appended.replayed,
            "I1: a refused append does not use up its command id"
        );
    }
    assert_eq!(log(&*store).await.len(), 2 + count);
}

/// I1: an append whose future is dropped at any moment is recorded completely or not at all.
/// Sending it again reveals the outcome (I6).
pub async fn i1_a_dropped_append_is_done_or_not<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    for polls in 0..24 {
        let name = format!("dropped-{polls}");
        let draft = whole(&*store, &name);
        poll_then_drop(store.append(draft.0.clone()), polls).await;
        let events = matching(&*store, tagged(&format!("order:{name}"))).await;
        assert!(
            [0, 3].contains(&events.len()),
            "I1: {} of 3 events after {polls} polls",
            events.len()
        );
        append(&*store, &draft).await;
        let all = (3, draft.0.states.len(), true);
        assert_eq!(
            traces(&*store, &draft).await,
            all,
            "I1: sent again after {polls} polls"
        );
    }
    assert_eq!(log(&*store).await.len(), 3 * 24);
}
