use cqrs_core::Position;
use cqrs_core::store::{AppendError, EventLog, EventQuery};

use super::client::{append, head, log, matching, open};
use super::draft::{Draft, state_key, tagged};
use crate::LogFixture;
use crate::tasks::poll_then_drop;

/// A command with all that an append can have, under the tag `order:{name}`.
fn whole(name: &str) -> Draft {
    let order = format!("order:{name}");
    Draft::new()
        .event("placed", &[&order, "customer:C"])
        .event("paid", &[&order])
        .event("shipped", &[&order, "carrier:D"])
        .state("order", name, r#"{"shipped":true}"#, None)
        .state("stock", name, r#"{"left":3}"#, None)
}

/// How many events, states and command ids of a command are there.
async fn traces<S: EventLog>(store: &S, draft: &Draft) -> (usize, usize, bool) {
    let log = log(store).await;
    let events = log
        .iter()
        .filter(|event| event.meta.command == draft.id())
        .count();
    let keys = draft
        .0
        .states
        .iter()
        .map(|write| write.key.clone())
        .collect();
    let states = store
        .capabilities()
        .states
        .expect("it keeps states")
        .states(keys)
        .await
        .expect("states can be read");
    let command = store
        .command(draft.id())
        .await
        .expect("commands can be read");
    (events, states.iter().flatten().count(), command.is_some())
}

/// I1: an append brings its events, their tags, its states and its command id, all of them.
pub async fn i1_an_append_is_whole<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    append(&*store, &Draft::new().event("opened", &["shop:S"])).await;
    let draft = whole("1");
    let appended = append(&*store, &draft).await;

    assert_eq!(
        (appended.first, appended.last),
        (Position::new(2), Position::new(4))
    );
    assert_eq!((appended.count, appended.replayed), (3, false));
    assert_eq!(head(&*store).await, appended.last);
    assert_eq!(
        matching(&*store, tagged("order:1")).await.len(),
        3,
        "found by the shared tag"
    );
    assert_eq!(
        matching(&*store, tagged("carrier:D")).await.len(),
        1,
        "found by another tag"
    );
    assert_eq!(
        matching(&*store, EventQuery::typed(["paid"])).await.len(),
        1,
        "found by type"
    );

    let expected: Vec<_> = draft
        .0
        .clone()
        .record(Position::new(1), draft.0.time)
        .collect();
    let stored: Vec<_> = log(&*store)
        .await
        .iter()
        .skip(1)
        .map(|it| (**it).clone())
        .collect();
    assert_eq!(
        stored, expected,
        "an event is stored with all that is known about it"
    );

    let keys = vec![state_key("order", "1"), state_key("stock", "1")];
    for (state, write) in store
        .capabilities()
        .states
        .expect("it keeps states")
        .states(keys)
        .await
        .expect("states")
        .iter()
        .zip(&draft.0.states)
    {
        let state = state.as_ref().expect("the state was written");
        assert_eq!((&state.body, state.position), (&write.body, appended.last));
    }
    let command = store
        .command(draft.id())
        .await
        .expect("commands")
        .expect("the id was recorded");
    assert_eq!(command.fingerprint, draft.0.fingerprint);
    assert_eq!(
        (command.first, command.last),
        (appended.first, appended.last)
    );
    assert_eq!(command.count, 3);
}

/// I1: an append that is refused leaves nothing behind, whatever it is refused for, and its
/// command id can be used again.
pub async fn i1_a_refused_append_leaves_no_trace<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let before = append(&*store, &Draft::new().event("opened", &["shop:S"]))
        .await
        .last;
    append(
        &*store,
        &Draft::new()
            .event("moved", &["shop:S"])
            .state("stock", "taken", "1", None),
    )
    .await;

    let overtaken = whole("boundary").unless(tagged("shop:S"), before);
    let stale = whole("state").state("stock", "taken", "2", None);
    let limits = store.capabilities().limits;
    let large = vec![b' '; limits.payload + 1];
    let too_large = whole("payload").payload("noted", &["order:payload"], large);
    for (draft, name) in [
        (overtaken, "boundary"),
        (stale, "state"),
        (too_large, "payload"),
    ] {
        let refused = store
            .append(draft.0.clone())
            .await
            .expect_err("the append is refused");
        match (name, &refused) {
            ("payload", AppendError::Invalid { .. })
            | ("boundary" | "state", AppendError::Conflict { .. }) => {}
            _ => panic!("refused for its {name} with the wrong error: {refused:?}"),
        }
        let mut own = draft.clone();
        own.0.states.truncate(2);
        assert_eq!(
            traces(&*store, &own).await,
            (0, 0, false),
            "refused for its {name}"
        );
        let tag = format!("order:{name}");
        assert!(
            matching(&*store, tagged(&tag)).await.is_empty(),
            "refused for its {name}"
        );

        let again = Draft::with_id(draft.id())
            .fingerprint(2)
            .event("placed", &[&tag]);
        let appended = append(&*store, &again).await;
        assert!(
            !appended.replayed,
            "a refused append does not use up its command id"
        );
    }
    assert_eq!(log(&*store).await.len(), 5);
}

/// I1: an append whose caller goes away, at whatever moment, is done or not done, never half; and
/// sending it again settles it (I6).
pub async fn i1_a_dropped_append_is_done_or_not<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    for polls in 0..24 {
        let draft = whole(&format!("dropped-{polls}"));
        poll_then_drop(store.append(draft.0.clone()), polls).await;
        let events = matching(&*store, tagged(&format!("order:dropped-{polls}")))
            .await
            .len();
        assert!(
            events == 0 || events == 3,
            "{events} of 3 events after {polls} polls"
        );

        append(&*store, &draft).await;
        assert_eq!(
            traces(&*store, &draft).await,
            (3, 2, true),
            "sent again after {polls} polls"
        );
    }
    assert_eq!(log(&*store).await.len(), 3 * 24);
}
