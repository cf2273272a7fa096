use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::Recorded;
use cqrs_core::store::{AppendError, Boundary, EventLog, EventQuery, EventType, Tags};

use super::client::{
    append, assert_evidence, fill, fill_at_random, head, log, open, open_many, send_all,
};
use super::draft::{Draft, item, only, tagged};
use super::random::Random;
use crate::LogFixture;
use crate::tasks::race;

/// I10: a boundary far behind the head is no conflict without a later matching event, however many
/// similar events were appended.
pub async fn i10_a_stale_boundary_without_evidence_holds<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let store = &stores[0];
    let last = append(
        &**store,
        &Draft::new().event("renamed", &["user:U", "org:O"]),
    )
    .await
    .last;
    fill(store, 100, "visited", &["user:U", "page:P"]).await;
    fill(store, 100, "renamed", &["user:V", "org:O"]).await;
    fill(store, 100, "visited", &["org:O", "page:P"]).await;

    let holds = [
        ("the type with another tag", only(&["renamed"], &["user:U"])),
        ("one of the two tags", only(&[], &["user:U", "org:O"])),
        ("a type that never was", only(&["deleted"], &["user:U"])),
        ("a tag that never was", tagged("user:W")),
        ("a tag that begins with this one", tagged("user:")),
        (
            "two tags, of different events",
            only(&[], &["user:V", "page:P"]),
        ),
        ("no item at all", EventQuery::Items(Vec::new())),
    ];
    for store in &stores {
        for (what, query) in &holds {
            let draft = Draft::new().unless(query.clone(), last);
            let outcome = store.append(draft.0).await;
            assert!(
                outcome.is_ok(),
                "I10: a false conflict: there is only {what}: {outcome:?}"
            );
        }
    }
}

/// I10: a boundary at the position of the matching event holds; one position earlier, it does not.
pub async fn i10_a_boundary_begins_after_its_position<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    fill(&store, 40, "visited", &["page:P"]).await;
    let at = append(&*store, &Draft::new().event("renamed", &["user:U"]))
        .await
        .last;
    fill(&store, 40, "visited", &["page:P"]).await;
    for query in [
        tagged("user:U"),
        only(&["renamed"], &[]),
        only(&["renamed"], &["user:U"]),
    ] {
        let draft = Draft::new().unless(query.clone(), at);
        assert!(
            store.append(draft.0).await.is_ok(),
            "I10: a false conflict with {query:?}"
        );
        let before = at.before();
        let outcome = store
            .append(Draft::new().unless(query.clone(), before).0)
            .await;
        match outcome {
            Err(AppendError::Conflict { at: found }) => assert_eq!(found, at),
            outcome => panic!("I2: the event at {at} was overlooked: {outcome:?}"),
        }
    }
}

/// I10: concurrent commands about unrelated aggregates never conflict, even if their boundaries
/// were read long before.
pub async fn i10_unrelated_commands_do_not_conflict<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let after = head(&*stores[0]).await;
    for round in 0..4 {
        let racers = (0..32).map(|racer| {
            let store = stores[racer % 2].clone();
            let user = format!("user:{round}-{racer}");
            let draft = Draft::new()
                .event("renamed", &[&user, "org:O"])
                .unless(only(&["renamed"], &[&user]), after);
            async move { store.append(draft.0).await }
        });
        for outcome in race(racers).await {
            assert!(outcome.is_ok(), "I10: a false conflict: {outcome:?}");
        }
    }
}

/// I10: a refused command is no evidence against commands in the same batch.
pub async fn i10_a_loser_is_no_evidence<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    for round in 0..8 {
        let after = head(&*store).await;
        let (x, y) = (format!("lot:x{round}"), format!("lot:y{round}"));
        // All want X. Half of them also want Y, which the last one needs: their losers must not
        // count.
        let mut drafts = Vec::new();
        for _ in 0..6 {
            drafts.push(
                Draft::new()
                    .event("sold", &[&x, &y])
                    .unless(tagged(&x), after),
            );
            drafts.push(Draft::new().event("sold", &[&x]).unless(tagged(&x), after));
        }
        drafts.push(Draft::new().event("sold", &[&y]).unless(tagged(&y), after));
        let queries: Vec<_> = drafts
            .iter()
            .map(|draft| draft.0.boundaries[0].clone())
            .collect();
        let outcomes = send_all(&store, drafts).await;
        let log = log(&*store).await;
        for (outcome, boundary) in outcomes.iter().zip(queries) {
            let Boundary { fail_if, after, .. } = boundary;
            match outcome {
                Ok(_) => {}
                Err(AppendError::Conflict { at }) => assert_evidence(&log, &fail_if, after, *at),
                Err(error) => panic!("I10: neither success nor conflict: {error}"),
            }
        }
    }
}

/// I2 and I10: for boundaries of every shape, from every position, up to three of an append where
/// the log claims several, a conflict is reported exactly when a matching event came later.
pub async fn i10_conflicts_are_those_of_the_specification<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let mut random = Random::seeded(10);
    let log = fill_at_random(&store, &mut random).await;
    let capabilities = store.capabilities();
    let most = if capabilities.several_boundaries {
        3
    } else {
        1
    };
    for _ in 0..8 {
        // Without events, so that the log stays the same. If such an append takes a position, no
        // boundary may match every event, since it would match that position, too.
        let mut drafts = Vec::new();
        for number in 0..40 {
            let mut draft = Draft::new();
            for _ in 0..=number % most {
                let query = if capabilities.contiguous {
                    random.query()
                } else {
                    partial_query(&mut random)
                };
                draft = draft.unless(query, random.position(&log));
            }
            drafts.push(draft);
        }
        let outcomes = send_all(&store, drafts.clone()).await;
        for (draft, outcome) in drafts.iter().zip(outcomes) {
            let boundaries = &draft.0.boundaries;
            let is_in_the_way = |event: &&Arc<Recorded>| {
                let mut broken = boundaries.iter();
                broken.any(|it| it.fail_if.matches_event(event) && event.position > it.after)
            };
            match (log.iter().find(is_in_the_way), outcome) {
                (None, Ok(_)) => {}
                (Some(_), Err(AppendError::Conflict { at })) => {
                    let evidence = log.iter().find(|event| event.position == at);
                    assert!(
                        evidence.is_some_and(|event| is_in_the_way(&event)),
                        "I10: {at} is not in the way of {boundaries:?}"
                    );
                }
                (later, outcome) => panic!(
                    "{boundaries:?}: {outcome:?}, though the first event in the way is {later:?}"
                ),
            }
        }
    }
}

/// A random query that does not match every event.
fn partial_query(random: &mut Random) -> EventQuery {
    let unrelated = EventType::new("unrelated");
    loop {
        let query = random.query();
        if !query.matches(&unrelated, &Tags::default()) {
            return query;
        }
    }
}

/// I10: an empty item matches every event.
pub async fn i10_an_empty_item_matches_everything<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let everything = || EventQuery::Items(vec![item(&[], &[])]);
    let draft = Draft::new()
        .event("opened", &[])
        .unless(everything(), Position::START);
    let at = append(&*store, &draft).await.last;
    let refused = store
        .append(Draft::new().unless(everything(), Position::START).0)
        .await;
    assert!(
        matches!(refused, Err(AppendError::Conflict { at: found }) if found == at),
        "an empty item matches the event at {at}: {refused:?}"
    );
    append(&*store, &Draft::new().unless(everything(), at)).await;
}
