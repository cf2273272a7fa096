use std::future::poll_fn;
use std::task::Poll;

use cqrs_core::Position;
use cqrs_core::store::{AppendError, AppendToken, Appended, EventLog};

use super::client::{append, assert_evidence, head, log, open, open_many};
use super::draft::{Draft, tagged};
use crate::{LogFixture, Outcome};

const SEAT: &str = "seat:S";

/// The outcome for a log without pipelining.
const NOT_CLAIMED: Outcome = Outcome::NotClaimed("pipelining");

/// A command about the seat, decided on the log up to `after`, and its token.
fn seated(after: Position) -> (Draft, AppendToken) {
    let draft = Draft::new().event("seated", &[SEAT]);
    draft.unless(tagged(SEAT), after).token()
}

/// A command about the seat, decided as if the append with this token had succeeded, and its token.
fn seated_after(after: Position, token: AppendToken) -> (Draft, AppendToken) {
    let (draft, own) = seated(after);
    (draft.follows(token), own)
}

/// A chain of such commands, each of which follows the one before.
fn chain(first: (Draft, AppendToken), after: Position, length: usize) -> Vec<Draft> {
    let (first, mut token) = first;
    let mut drafts = vec![first];
    while drafts.len() < length {
        let (next, own) = seated_after(after, token);
        drafts.push(next);
        token = own;
    }
    drafts
}

/// Begins all appends, in order, before it awaits the first one.
async fn begin_all<S: EventLog>(
    store: &S,
    drafts: Vec<Draft>,
) -> Vec<Result<Appended, AppendError>> {
    let mut begun = Vec::new();
    for draft in drafts {
        let mut append = store.append(draft.0);
        let first = poll_fn(|context| Poll::Ready(append.as_mut().poll(context))).await;
        begun.push((append, first));
    }
    let mut outcomes = Vec::new();
    for (append, first) in begun {
        outcomes.push(match first {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => append.await,
        });
    }
    outcomes
}

/// I2 and I10: decisions that were each made as if the append before had succeeded do not conflict
/// if it succeeds, although none of them has read its events from the log.
pub async fn i2_appends_follow_each_other<F: LogFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    if !store.capabilities().pipelining {
        return NOT_CLAIMED;
    }
    for round in 0..4 {
        let after = head(&*store).await;
        let outcomes = begin_all(&*store, chain(seated(after), after, 20)).await;
        let mut last = after;
        for (place, outcome) in (1..).zip(outcomes) {
            let appended = outcome.unwrap_or_else(|error| {
                panic!("I10: number {place} of a chain in round {round}: {error}")
            });
            assert!(appended.first > last, "I3: they are in order");
            last = appended.last;
        }
    }
    Outcome::Kept
}

/// I2: an append that follows a refused one is refused, too, and so is the rest of the chain.
pub async fn i2_what_follows_a_refused_append_is_refused<F: LogFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    if !store.capabilities().pipelining {
        return NOT_CLAIMED;
    }
    let start = head(&*store).await;
    append(&*store, &Draft::new().event("seated", &[SEAT])).await;
    let before = log(&*store).await.len();
    for outcome in begin_all(&*store, chain(seated(start), start, 8)).await {
        assert!(
            matches!(outcome, Err(AppendError::Conflict { .. })),
            "I2: follows what never happened: {outcome:?}"
        );
    }
    assert_eq!(log(&*store).await.len(), before);
    Outcome::Kept
}

/// I2: an append that follows another one conflicts with events after that one, of this process or
/// of another.
pub async fn i2_an_append_that_follows_may_be_overtaken<F: LogFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    if !stores[0].capabilities().pipelining {
        return NOT_CLAIMED;
    }
    for rival in &stores {
        let after = head(&*stores[0]).await;
        let (first, token) = seated(after);
        let followed = append(&*stores[0], &first).await;
        append(&**rival, &Draft::new().event("left", &[SEAT])).await;
        let (second, _) = seated_after(after, token);
        let outcome = stores[0].append(second.0).await;
        let Err(AppendError::Conflict { at }) = outcome else {
            panic!("I2: overtaken by what came after the one it follows: {outcome:?}")
        };
        assert_evidence(&log(&*stores[0]).await, &tagged(SEAT), followed.last, at);
    }
    Outcome::Kept
}

/// I2: only an append that was recorded by this very call can be followed: neither one that was
/// never sent, nor one whose command had been recorded before, with other events.
pub async fn i2_what_was_not_recorded_cannot_be_followed<F: LogFixture>(fixture: &F) -> Outcome {
    let store = open(fixture).await;
    if !store.capabilities().pipelining {
        return NOT_CLAIMED;
    }
    let (sent, _) = seated(head(&*store).await);
    append(&*store, &sent).await;
    let after = head(&*store).await;
    let (again, repeated) = sent.token();
    assert!(append(&*store, &again).await.replayed);
    for (what, token) in [("unknown", AppendToken::new()), ("repeated", repeated)] {
        let (next, _) = seated_after(after, token);
        let outcome = store.append(next.0).await;
        assert!(
            matches!(outcome, Err(AppendError::Conflict { .. })),
            "I2: follows an append that is {what}: {outcome:?}"
        );
    }
    Outcome::Kept
}

/// I2: an append without events that fails only when it is written, and not by its decision, cannot be
/// followed, although it would have left the log as it was.
pub async fn i2_what_follows_a_taken_or_repeated_id_is_refused<F: LogFixture>(
    fixture: &F,
) -> Outcome {
    let store = open(fixture).await;
    if !store.capabilities().pipelining {
        return NOT_CLAIMED;
    }
    let recorded = Draft::new();
    append(&*store, &recorded).await;
    let mismatched = Draft::with_id(recorded.id()).fingerprint(2);
    for (what, first) in [("taken", mismatched), ("repeated", recorded)] {
        let after = head(&*store).await;
        let (first, token) = first.token();
        let (next, _) = seated_after(after, token);
        let outcomes = begin_all(&*store, vec![first, next]).await;
        match &outcomes[0] {
            Ok(appended) => assert!(appended.replayed && what == "repeated", "{what}"),
            Err(error) => assert!(
                matches!(error, AppendError::CommandMismatch { .. }) && what == "taken",
                "{what}: {error}"
            ),
        }
        assert!(
            matches!(outcomes[1], Err(AppendError::Conflict { .. })),
            "I2: follows an append whose id is {what}: {:?}",
            outcomes[1]
        );
    }
    Outcome::Kept
}
