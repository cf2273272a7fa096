use std::collections::HashSet;

use cqrs_core::store::{AppendError, EventLog, EventQuery, ReadRange};

use super::client::{assert_evidence, head, log, matching, open_many};
use super::draft::{Draft, item, only, tagged};
use crate::LogFixture;
use crate::tasks::race;

/// The boundaries that the racers share, by kind. Each matches events of type `enrolled` with the
/// tag of the course, and no event of another course.
fn shared(course: &str) -> [(&'static str, EventQuery); 4] {
    [
        ("a tag", tagged(course)),
        (
            "a type and a tag",
            only(&["cancelled", "enrolled"], &[course]),
        ),
        ("two tags", only(&[], &[course, "term:T"])),
        (
            "one of two items",
            EventQuery::Items(vec![
                item(&[], &["teacher:T"]),
                item(&["enrolled"], &[course]),
            ]),
        ),
    ]
}

/// I2: of many racers on one boundary exactly one wins: different aggregates that share one tag, in
/// one process and in several, for every kind of boundary.
pub async fn i2_one_of_many_wins_a_boundary<F: LogFixture>(fixture: &F) {
    const RACERS: usize = 16;
    let stores = open_many(fixture, 2).await;
    for processes in 1..=2 {
        for (kind, _) in shared("") {
            let course = format!("course:{processes} {kind}");
            let query = shared(&course)
                .into_iter()
                .find(|it| it.0 == kind)
                .expect("a kind")
                .1;
            let after = head(&*stores[0]).await;
            let racers = (0..RACERS).map(|racer| {
                let store = stores[racer % processes].clone();
                let student = format!("student:{racer}");
                let draft = Draft::new()
                    .event("enrolled", &[&student, &course, "term:T"])
                    .unless(query.clone(), after);
                async move { store.append(draft.0).await }
            });
            let outcomes = race(racers).await;

            let log = log(&*stores[0]).await;
            let winners = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            assert_eq!(
                winners, 1,
                "I2: winners of a boundary of {kind}, {processes} processes"
            );
            let enrolled = log
                .iter()
                .filter(|event| query.matches_event(event))
                .count();
            assert_eq!(enrolled, 1, "I2: events within a boundary of {kind}");
            for outcome in outcomes {
                match outcome {
                    Ok(_) => {}
                    Err(AppendError::Conflict { at }) => assert_evidence(&log, &query, after, at),
                    Err(error) => panic!("I2: a loser has another error than a conflict: {error}"),
                }
            }
        }
    }
}

/// I2: of many racers exactly one wins, with a boundary over the whole log that each has read
/// itself.
pub async fn i2_one_of_many_wins_the_log<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    for round in 1..=4 {
        let mut racers = Vec::new();
        for racer in 0..8 {
            let store = stores[racer % 2].clone();
            let range = ReadRange {
                limit: 1,
                ..ReadRange::after(head(&*store).await)
            };
            let page = store
                .read(EventQuery::All, range)
                .await
                .expect("the log can be read");
            assert!(
                page.events.is_empty(),
                "nothing was appended since the head was read"
            );
            let draft = Draft::new()
                .event("closed", &["book:B"])
                .unless(EventQuery::All, page.as_of);
            racers.push(async move { store.append(draft.0).await });
        }
        let winners = race(racers)
            .await
            .iter()
            .filter(|outcome| outcome.is_ok())
            .count();
        assert_eq!(winners, 1, "I2: winners of the whole log");
        assert_eq!(log(&*stores[1]).await.len(), round);
    }
}

/// I2: with boundaries that overlap in pairs, as in a ring of seats where every racer wants two
/// neighboring ones, no seat is taken twice, and each loser conflicts with a neighbor (I10).
pub async fn i2_overlapping_boundaries_exclude_each_other<F: LogFixture>(fixture: &F) {
    const SEATS: usize = 12;
    let stores = open_many(fixture, 2).await;
    for round in 0..6 {
        let after = head(&*stores[0]).await;
        let seat = |number: usize| format!("seat:{round}-{}", number % SEATS);
        let want = |number: usize| {
            let items = [seat(number), seat(number + 1)];
            EventQuery::Items(items.iter().map(|seat| item(&[], &[seat])).collect())
        };
        let racers = (0..SEATS).map(|number| {
            let store = stores[number % 2].clone();
            let draft = Draft::new()
                .event("seated", &[&seat(number), &seat(number + 1)])
                .unless(want(number), after);
            async move { store.append(draft.0).await }
        });
        let outcomes = race(racers).await;

        let log = log(&*stores[0]).await;
        let mut taken = HashSet::new();
        for event in log.iter().filter(|event| event.position > after) {
            for tag in &event.data.tags {
                assert!(taken.insert(tag.clone()), "I2: {tag} is taken twice");
            }
        }
        for (number, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(_) => assert!(taken.iter().any(|tag| tag.as_str() == seat(number))),
                Err(AppendError::Conflict { at }) => {
                    assert_evidence(&log, &want(number), after, at);
                }
                Err(error) => panic!("I2: neither success nor conflict: {error}"),
            }
        }
    }
}

/// I2: a stale boundary is refused even if the event that breaks it is far behind.
pub async fn i2_a_stale_boundary_is_refused<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let store = &stores[0];
    let start = head(&**store).await;
    super::client::append(&**store, &Draft::new().event("renamed", &["user:U"])).await;
    super::client::fill(store, 300, "visited", &["page:P"]).await;
    for store in &stores {
        let query = only(&["renamed"], &["user:U"]);
        let draft = Draft::new()
            .event("renamed", &["user:U"])
            .unless(query.clone(), start);
        let outcome = store.append(draft.0).await;
        let Err(AppendError::Conflict { at }) = outcome else {
            panic!("I2: a boundary that was overtaken long ago has another outcome: {outcome:?}")
        };
        assert_evidence(&log(&**store).await, &query, start, at);
    }
    assert_eq!(matching(&**store, tagged("user:U")).await.len(), 1);
}

/// I2: each part of a condition counts, the last boundary, item, type and tag of many.
pub async fn i2_every_part_of_a_condition_counts<F: LogFixture>(fixture: &F) {
    const PARTS: usize = 12;
    let store = &open_many(fixture, 1).await[0];
    let start = head(&**store).await;
    let names: Vec<_> = (0..PARTS).map(|number| format!("part:{number}")).collect();
    let tags: Vec<_> = names.iter().map(String::as_str).collect();
    let noted = Draft::new().event("noted", &tags[..PARTS - 1]);
    super::client::append(&**store, &noted).await;

    let others = || (1..PARTS).map(|_| item(&["other"], &[]));
    let noted = || item(&["noted"], &[]);
    let last_item = EventQuery::Items(others().chain([noted()]).collect());
    let mut types = ["other"; PARTS];
    types[PARTS - 1] = "noted";
    for (fail_if, part) in [(last_item, "item"), (only(&types, &[]), "type")] {
        let draft = Draft::new().event("more", &[]).unless(fail_if, start);
        let outcome = store.append(draft.0).await;
        assert!(
            matches!(outcome, Err(AppendError::Conflict { .. })),
            "I2: the last {part} of {PARTS} matches: {outcome:?}"
        );
    }
    let draft = Draft::new().event("more", &[]);
    let outcome = store.append(draft.unless(only(&[], &tags), start).0).await;
    assert!(
        outcome.is_ok(),
        "I2: the last tag of {PARTS} does not match: {outcome:?}"
    );
    if store.capabilities().several_boundaries {
        let mut draft = Draft::new().event("more", &[]);
        for item in others().chain([noted()]) {
            draft = draft.unless(EventQuery::Items(vec![item]), start);
        }
        let outcome = store.append(draft.0).await;
        assert!(
            matches!(outcome, Err(AppendError::Conflict { .. })),
            "I2: the last boundary of {PARTS} does not hold: {outcome:?}"
        );
    }
}
