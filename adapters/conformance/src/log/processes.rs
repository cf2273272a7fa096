use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{AppendError, EventLog, EventQuery, ReadRange};

use super::client::{FinalPosition, append, follow, log, matching, open_many, state};
use super::draft::{Draft, state_key, tagged};
use crate::tasks::finish;
use crate::{LogFixture, Outcome};

const PROCESSES: usize = 2;
const TASKS: usize = 4;
const EACH: usize = 6;
const ALL: usize = PROCESSES * TASKS * EACH;

/// Runs `EACH` decisions in each of `TASKS` tasks of every process, each until it succeeds.
async fn contend<S, D>(
    stores: &[Arc<S>],
    decide: impl Fn(Arc<S>) -> D + Clone + Send + Sync + 'static,
) where
    S: EventLog,
    D: Future<Output = Draft> + Send,
{
    let tasks = stores
        .iter()
        .flat_map(|store| (0..TASKS).map(|_| store.clone()))
        .map(|store| {
            let decide = decide.clone();
            tokio::spawn(async move {
                for _ in 0..EACH {
                    while let Err(error) = store.append(decide(store.clone()).await.0).await {
                        let conflict = matches!(error, AppendError::Conflict { .. });
                        assert!(
                            conflict,
                            "I9: contention is a conflict and nothing else: {error}"
                        );
                    }
                }
            })
        });
    finish(tasks.collect()).await;
}

/// I9: several processes decide about one aggregate repeatedly, as for invoice numbers without
/// gaps. Every decision sees all earlier ones.
pub async fn i9_several_processes_decide<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, PROCESSES).await;
    let end = FinalPosition::default();
    let follower = tokio::spawn(follow(stores[0].clone(), EventQuery::All, end.clone()));
    contend(&stores, |store| async move {
        let query = tagged("book:invoices");
        let range = ReadRange::after(Position::START);
        let page = store.read(query.clone(), range).await.expect("a page");
        let number = (page.events.len() + 1).to_string();
        let draft = Draft::new().payload("issued", &["book:invoices"], number.into_bytes());
        draft.unless(query, page.as_of)
    })
    .await;
    let read = log(&*stores[1]).await;
    end.at_head(&*stores[0]).await;
    let seen = finish(vec![follower]).await.remove(0);
    for events in [read, seen] {
        assert_eq!(events.len(), ALL);
        for (event, number) in events.iter().zip(1..) {
            let payload = String::from_utf8_lossy(&event.data.payload);
            assert_eq!(payload, number.to_string(), "I9: numbers without gaps");
        }
    }
}

/// I9: several processes decide on a stored state repeatedly. Every decision sees all earlier ones.
pub async fn i9_several_processes_write_a_state<F: LogFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, PROCESSES).await;
    if stores[0].capabilities().states.is_none() {
        return Outcome::NotClaimed("states");
    }
    contend(&stores, |store| async move {
        let last = state(&*store, state_key("counter", "C")).await;
        let count = last.as_ref().map_or(0, |state| {
            let text = std::str::from_utf8(&state.body).expect("a number");
            text.parse::<u64>().expect("a number")
        });
        let based_on = last.map(|state| state.position);
        let body = (count + 1).to_string();
        Draft::new()
            .event("counted", &["counter:C"])
            .state("counter", "C", &body, based_on)
    })
    .await;
    let log = log(&*stores[0]).await;
    assert_eq!(log.len(), ALL);
    for store in &stores {
        let state = state(&**store, state_key("counter", "C"))
            .await
            .expect("the state is there");
        assert_eq!(
            state.body,
            ALL.to_string().into_bytes(),
            "I9: no write was lost"
        );
        assert_eq!(Some(state.position), log.last().map(|it| it.position));
    }
    Outcome::Kept
}

/// I9: a store accepts a position that its process learned from another process: without `Rewound`,
/// and without a conflict unless there is evidence.
pub async fn i9_a_process_knows_what_another_wrote<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    for round in 0..20 {
        let (here, there) = (&stores[round % 2], &stores[1 - round % 2]);
        let user = format!("user:{round}");
        let at = append(&**here, &Draft::new().event("renamed", &[&user]))
            .await
            .last;
        let before = at.before();
        let stale = Draft::new()
            .event("renamed", &[&user])
            .unless(tagged(&user), before);
        let outcome = there.append(stale.0).await;
        assert!(
            matches!(outcome, Err(AppendError::Conflict { at: found }) if found == at),
            "I2: another process's event at {at} was overlooked: {outcome:?}"
        );
        let draft = Draft::new()
            .event("renamed", &[&user])
            .unless(tagged(&user), at);
        let outcome = there.append(draft.0).await;
        assert!(
            outcome.is_ok(),
            "I9: decided on what another process wrote: {outcome:?}"
        );
        assert_eq!(matching(&**here, tagged(&user)).await.len(), 2);
    }
}
