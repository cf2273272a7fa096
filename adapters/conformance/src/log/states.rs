use cqrs_core::Position;
use cqrs_core::store::{AppendError, EventLog, EventQuery, StoredState};

use super::client::{append, log, matching, open, open_many, state, states};
use super::draft::{Draft, state_key};
use crate::tasks::race;
use crate::{LogFixture, Outcome};

/// The outcome for a log that keeps no states.
const NOT_CLAIMED: Outcome = Outcome::NotClaimed("states");

/// A stored state is that of the last write, as of the last event of that command.
pub async fn states_are_written_with_events<F: LogFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    if store.capabilities().states.is_none() {
        return NOT_CLAIMED;
    }
    let keys = || {
        vec![
            state_key("cart", "2"),
            state_key("cart", "none"),
            state_key("cart", "1"),
            state_key("order", "1"),
            state_key("cart", "2"),
        ]
    };
    let unwritten = states(&*store, keys()).await;
    assert_eq!(unwritten, vec![None; 5], "nothing was written yet");
    assert_eq!(states(&*store, Vec::new()).await, Vec::new());

    let filled = Draft::new()
        .event("put", &["cart:1"])
        .event("put", &["cart:2"])
        .state("cart", "1", "one", None)
        .state("cart", "2", "two", None);
    let first = append(&*store, &filled).await.last;
    let ordered = Draft::new()
        .event("ordered", &["cart:1"])
        .state("order", "1", "new", None)
        .state("cart", "1", "empty", Some(first));
    let second = append(&*store, &ordered).await.last;

    let stored = |body: &str, position| {
        Some(StoredState {
            body: body.into(),
            position,
        })
    };
    let expected = vec![
        stored("two", first),
        None,
        stored("empty", second),
        stored("new", second),
        stored("two", first),
    ];
    assert_eq!(
        states(&*store, keys()).await,
        expected,
        "in the order asked"
    );
    drop(store);
    let store = open(fixture).await;
    assert_eq!(states(&*store, keys()).await, expected, "after a restart");
    Outcome::Kept
}

/// If the stored state is not the one that a write is based on, the append is a conflict and has no
/// effect.
pub async fn a_stale_state_is_a_conflict<F: LogFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    if stores[0].capabilities().states.is_none() {
        return NOT_CLAIMED;
    }
    let draft = Draft::new()
        .event("put", &["cart:1"])
        .state("cart", "1", "1", None);
    let at = append(&*stores[0], &draft).await.last;
    let visited = append(&*stores[0], &Draft::new().event("visited", &["page:P"])).await;
    let head = visited.last;
    for store in &stores {
        let wrong = [
            ("1", None, "there is one already"),
            ("1", Some(Position::START), "it is later than the start"),
            ("1", Some(head), "it is earlier than the head"),
            (
                "1",
                Some(Position::new(u64::MAX)),
                "it is earlier than that",
            ),
            ("2", Some(at), "there is none"),
        ];
        for (id, based_on, why) in wrong {
            let draft = Draft::new()
                .event("put", &["cart:1"])
                .state("cart", id, "2", based_on);
            let outcome = store.append(draft.0).await;
            let conflict = matches!(outcome, Err(AppendError::Conflict { .. }));
            assert!(conflict, "based on {based_on:?}, though {why}: {outcome:?}");
        }
    }
    assert_eq!(
        log(&*stores[0]).await.len(),
        2,
        "I1: nothing of a refused append is done"
    );
    let draft = Draft::new()
        .event("put", &["cart:1"])
        .state("cart", "1", "2", Some(at));
    append(&*stores[1], &draft).await;
    Outcome::Kept
}

/// I2 for stored states: of many writers of one state, exactly one wins. Writers of other states do
/// not conflict (I10).
pub async fn one_of_many_writes_a_state<F: LogFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    if stores[0].capabilities().states.is_none() {
        return NOT_CLAIMED;
    }
    let mut based_on = None;
    for round in 1..=6 {
        let racers = (0..12).map(|racer| {
            let store = stores[racer % 2].clone();
            let (body, own) = (racer.to_string(), format!("{round}-{racer}"));
            let draft = Draft::new()
                .event("put", &["cart:1"])
                .state("cart", "1", &body, based_on)
                .state("customer", &own, "1", None);
            let alone = Draft::new()
                .event("met", &[])
                .state("friend", &own, "1", None);
            async move { (store.append(draft.0).await, store.append(alone.0).await) }
        });
        let (mut won, mut winner) = (0, String::new());
        for (racer, (shared, alone)) in race(racers).await.into_iter().enumerate() {
            alone.expect("I10: nobody else writes this state");
            match shared {
                Ok(_) => (won, winner) = (won + 1, racer.to_string()),
                Err(AppendError::Conflict { .. }) => {}
                Err(error) => panic!("I2: neither success nor conflict: {error}"),
            }
        }
        assert_eq!(won, 1, "I2: writers of one state");
        let state = state(&*stores[1], state_key("cart", "1"))
            .await
            .expect("the winner wrote it");
        assert_eq!(state.body, winner.into_bytes(), "the winner's");
        based_on = Some(state.position);
        let put = matching(&*stores[0], EventQuery::typed(["put"])).await;
        assert_eq!(put.len(), round, "one event a round");
        assert_eq!(put.last().map(|event| event.position), based_on);
    }
    Outcome::Kept
}
