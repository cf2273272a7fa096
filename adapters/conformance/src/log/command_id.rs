use cqrs_core::store::{AppendError, Appended, EventLog};

use super::client::{append, command, count_of, fill, log, open, open_many, send_all};
use super::draft::{Draft, tagged};
use crate::LogFixture;
use crate::tasks::{poll_then_drop, race};

/// Asserts that sending a command again returns the first result and has no effect.
async fn assert_replayed<S: EventLog>(store: &S, draft: &Draft, first: Appended) {
    let again = append(store, draft).await;
    assert_eq!(
        again,
        Appended {
            replayed: true,
            time: None,
            ..first
        },
        "I6: the first answer comes again"
    );
}

/// Asserts that the id is refused for another command.
async fn assert_mismatch<S: EventLog>(store: &S, draft: &Draft) {
    let fingerprint = draft.0.fingerprint;
    for other in [fingerprint.wrapping_add(1), fingerprint ^ 1 << 62] {
        let refused = store.append(draft.clone().fingerprint(other).0).await;
        assert!(
            matches!(refused, Err(AppendError::CommandMismatch { command }) if command == draft.id()),
            "I6: another body under a used id: {refused:?}"
        );
    }
}

/// I6: a repeated command id returns the first result, in this process, in another one, and after a
/// restart. Another body under it is an error.
pub async fn i6_one_id_has_one_effect<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    append(&*store, &Draft::new().event("opened", &["shop:S"])).await;
    let draft = Draft::new()
        .event("sold", &["item:1"])
        .event("billed", &["item:1"]);
    let largest = draft.clone().fingerprint(u64::MAX);
    let first = append(&*store, &largest).await;
    assert!(!first.replayed);
    assert_replayed(&*store, &largest, first).await;
    assert_mismatch(&*store, &largest).await;
    append(&*store, &Draft::new().event("closed", &["shop:S"])).await;
    assert_replayed(&*store, &largest, first).await;

    let other = open(fixture).await;
    assert_replayed(&*other, &largest, first).await;
    assert_mismatch(&*other, &largest).await;
    drop((store, other));
    let store = open(fixture).await;
    assert_replayed(&*store, &largest, first).await;
    assert_mismatch(&*store, &largest).await;
    assert_eq!(
        log(&*store).await.len(),
        4,
        "I6: nothing was appended twice"
    );
    let unknown = command(&*store, &Draft::new()).await;
    assert!(unknown.is_none(), "I6: an id that was never used");
}

/// I6: a repeated command returns the first result although its boundary is broken by now, by its
/// own event.
pub async fn i6_a_repeated_command_does_not_conflict<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let draft = Draft::new()
        .event("claimed", &["name:N"])
        .state("name", "N", "1", None)
        .unless(tagged("name:N"), cqrs_core::Position::START)
        .claimed_by(&*stores[0]);
    let first = append(&*stores[0], &draft).await;
    for store in &stores {
        assert_replayed(&**store, &draft, first).await;
        assert_mismatch(&**store, &draft).await;
    }
}

/// I6: a command sent many times at once, through several processes, has one effect, and all
/// senders get the same result.
pub async fn i6_one_id_sent_at_once_has_one_effect<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    for round in 0..6 {
        let processes = 1 + round % 2;
        let item = format!("item:{round}");
        let draft = Draft::new()
            .event("sold", &[&item])
            .event("billed", &[&item]);
        let before = log(&*stores[0]).await.len();
        let racers = (0..12).map(|racer| {
            let (store, draft) = (stores[racer % processes].clone(), draft.clone());
            async move { store.append(draft.0).await }
        });
        let outcomes = race(racers).await.into_iter();
        let answers: Vec<_> = outcomes
            .map(|outcome| outcome.expect("I6: the same body"))
            .collect();

        assert_eq!(log(&*stores[1]).await.len(), before + 2, "I6: done once");
        let fresh = answers.iter().filter(|answer| !answer.replayed).count();
        assert_eq!(fresh, 1, "I6: one is the first");
        for answer in &answers {
            let same = Appended {
                replayed: answers[0].replayed,
                time: answers[0].time,
                ..*answer
            };
            assert_eq!(same, answers[0], "I6: all get the same positions");
        }
    }
}

/// I6: of two bodies sent at once under one id, one is recorded and the other is an error.
pub async fn i6_two_bodies_at_once_under_one_id<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    for round in 0..6 {
        let id = Draft::new().id();
        let drafts = (0..8).map(|racer| {
            let item = format!("item:{round}");
            Draft::with_id(id)
                .event("sold", &[&item])
                .fingerprint(racer % 2)
        });
        let outcomes = send_all(&store, drafts.collect()).await;
        let stored = command(&*store, &Draft::with_id(id))
            .await
            .expect("I6: one was done");
        for (racer, outcome) in (0u64..).zip(outcomes) {
            match outcome {
                Ok(_) => assert_eq!(racer % 2, stored.fingerprint, "I6: the body that was done"),
                Err(AppendError::CommandMismatch { command }) => {
                    assert_eq!(command, id);
                    assert_ne!(racer % 2, stored.fingerprint, "I6: the other body");
                }
                Err(error) => panic!("I6: neither answer nor mismatch: {error}"),
            }
        }
        assert_eq!(log(&*store).await.len(), round + 1);
    }
}

/// I6: a command sent again after its first call was dropped at any moment has one effect.
pub async fn i6_sending_again_settles_a_lost_answer<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    for polls in 0..16 {
        let draft = Draft::new()
            .event("sold", &["item:1"])
            .event("billed", &["item:1"]);
        poll_then_drop(stores[0].append(draft.0.clone()), polls).await;
        // Through another process, which knows nothing of the first try.
        let answer = append(&*stores[polls % 2], &draft).await;
        for store in &stores {
            assert_replayed(&**store, &draft, answer).await;
        }
        let log = log(&*stores[0]).await;
        let done = count_of(&log, &draft);
        assert_eq!(
            (done, log.len()),
            (2, 2 * (polls + 1)),
            "I6: after {polls} polls"
        );
    }
}

/// I6: a batch of repeated and new commands serves all of them.
pub async fn i6_repeated_and_new_commands_come_together<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let old: Vec<_> = (0..8)
        .map(|_| Draft::new().event("sold", &["item:1"]))
        .collect();
    let first = send_all(&store, old.clone()).await;
    let new = (0..8).map(|_| Draft::new().event("sold", &["item:2"]));
    let mixed: Vec<_> = old
        .into_iter()
        .zip(new)
        .flat_map(|(old, new)| [old, new])
        .collect();
    let outcomes = send_all(&store, mixed).await;
    for (place, outcome) in outcomes.into_iter().enumerate() {
        let answer = outcome.expect("every command succeeds");
        assert_eq!(answer.replayed, place % 2 == 0);
        if answer.replayed {
            let first = first[place / 2].as_ref().expect("the first answer");
            assert_eq!(answer.first, first.first);
        }
    }
    assert_eq!(log(&*store).await.len(), 16);
}

/// I6: a command id is remembered for as long as the log, however many commands follow.
pub async fn i6_an_id_is_remembered_however_many_follow<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let draft = Draft::new().event("sold", &["item:1"]);
    let first = append(&*stores[0], &draft).await;
    fill(&stores[0], 1_500, "visited", &["page:P"]).await;
    for store in &stores {
        assert_replayed(&**store, &draft, first).await;
        assert_mismatch(&**store, &draft).await;
    }
}

/// I6: a process that has asked for a command id in vain finds it once it is recorded, by this process
/// or by another one.
pub async fn i6_an_unknown_id_is_found_once_it_is_recorded<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    for here in &stores {
        let draft = Draft::new().event("sold", &["item:1"]);
        for store in &stores {
            let unknown = command(&**store, &draft).await;
            assert!(unknown.is_none(), "I6: it was not sent yet");
        }
        append(&**here, &draft).await;
        for store in &stores {
            let found = command(&**store, &draft).await;
            assert!(
                found.is_some(),
                "I6: it was recorded since it was asked for"
            );
        }
    }
}

/// I6: a command whose id a dispatcher has assigned is known by it, too: in this process and in others,
/// however many follow, and after a restart.
pub async fn i6_an_assigned_id_has_one_effect<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let drafts = [
        Draft::assigned()
            .event("sold", &["item:1"])
            .event("billed", &["item:1"]),
        Draft::assigned().event("sold", &[]),
        Draft::assigned(),
        (0..600).fold(Draft::assigned(), |draft, _| {
            draft.event("sold", &["item:2"])
        }),
    ];
    let mut first = Vec::new();
    for draft in &drafts {
        first.push(append(&*stores[0], draft).await);
        fill(&stores[0], 300, "visited", &["page:P"]).await;
    }
    let length = log(&*stores[0]).await.len();
    for store in &stores {
        let unknown = command(&**store, &Draft::assigned()).await;
        assert!(unknown.is_none(), "I6: an id that was never used");
        for (draft, first) in drafts.iter().zip(&first) {
            let again = draft.clone().given();
            let found = command(&**store, &again).await.expect("I6: it is known");
            assert_eq!((found.first, found.last), (first.first, first.last));
            assert_replayed(&**store, &again, *first).await;
            assert_mismatch(&**store, &again).await;
        }
    }
    drop(stores);
    let store = open(fixture).await;
    for (draft, first) in drafts.iter().zip(first) {
        assert_replayed(&*store, &draft.clone().given(), first).await;
    }
    assert_eq!(log(&*store).await.len(), length, "I6: nothing was appended");
}

/// I6: an assigned id that is sent again before its first sending reaches the store has one effect,
/// whichever process is first.
pub async fn i6_an_assigned_id_may_be_overtaken<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    for (here, there) in [(0, 0), (0, 1), (1, 0)] {
        for also in [0, 50] {
            let draft = Draft::assigned().event("sold", &["item:1"]);
            let again = append(&*stores[there], &draft.clone().given()).await;
            fill(&stores[there], also, "visited", &["page:P"]).await;
            let length = log(&*stores[here]).await.len();
            let overtaken = append(&*stores[here], &draft).await;
            assert_eq!(
                (overtaken.first, overtaken.replayed),
                (again.first, true),
                "I6: the repetition was recorded first"
            );
            assert_eq!(log(&*stores[here]).await.len(), length, "I6: one effect");
        }
    }
}

/// I6: the same, if the repetition is decided otherwise, and has no events. Then the log does not show it.
pub async fn i6_an_assigned_id_may_be_overtaken_without_events<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    // The events that the processes append in between: the head may be where it was, may be moved by the
    // other process, or may be known to the one that is overtaken.
    let between = [[0, 0], [0, 1], [1, 0], [50, 0], [0, 50]];
    for (here, there) in [(0, 0), (0, 1), (1, 0)] {
        for counts in between {
            let draft = Draft::assigned();
            let again = append(&*stores[there], &draft.clone().given()).await;
            for (store, count) in [here, there].into_iter().zip(counts) {
                fill(&stores[store], count, "visited", &["page:P"]).await;
            }
            let draft = draft.event("sold", &["item:1"]);
            let overtaken = append(&*stores[here], &draft).await;
            assert_eq!(
                (overtaken.first, overtaken.count, overtaken.replayed),
                (again.first, 0, true),
                "I6: the repetition was recorded first"
            );
            let events = log(&*stores[here]).await;
            assert_eq!(count_of(&events, &draft), 0, "I6: one effect");
        }
    }
}

/// I6: an assigned id that is sent at once by its dispatcher and again by others has one effect.
pub async fn i6_an_assigned_id_sent_at_once_has_one_effect<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    for round in 0..12 {
        let draft = Draft::assigned().event("sold", &["item:1"]);
        let racers = (0..6).map(|racer| {
            let store = stores[racer % 2].clone();
            let draft = if racer == round % 6 {
                draft.clone()
            } else {
                draft.clone().given()
            };
            async move { store.append(draft.0).await }
        });
        let mut positions: Vec<_> = race(racers)
            .await
            .into_iter()
            .map(|outcome| outcome.expect("I6: the same body").first)
            .collect();
        positions.dedup();
        assert_eq!(positions.len(), 1, "I6: all get the same position");
        assert_eq!(log(&*stores[1]).await.len(), round + 1, "I6: done once");
    }
}
