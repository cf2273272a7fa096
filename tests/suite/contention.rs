//! Batches that several processes write at the same time on PostgreSQL: they are written at the end of
//! the log, and the promises hold for the requests that are left out, too.

mod leases;
mod rough;
mod tails;

use cqrs_conformance::StoreFixture as _;
use cqrs_core::store::{
    Append, AppendError, AppendToken, Boundary, EventData, EventLog, EventQuery, EventType,
    ReadRange, Tag, Tags,
};
use cqrs_core::{CommandId, Position, Timestamp};
use cqrs_postgres::{Options, Postgres};
use futures_util::future::join_all;
use tokio::join;
use tokio_postgres::Client;

use crate::support::postgres::Schema;

/// Two processes that know of each other.
struct Processes {
    schema: Schema,
    client: Client,
    here: Postgres,
    there: Postgres,
}

impl Processes {
    async fn start(test: &str) -> Option<Self> {
        Self::with(test, Postgres::options()).await
    }

    async fn with(test: &str, options: Options) -> Option<Self> {
        let schema = Schema::fresh(test, options)?;
        let processes = Self {
            client: schema.client().await,
            here: schema.open().await,
            there: schema.open().await,
            schema,
        };
        for number in 0..4 {
            for process in [&processes.here, &processes.there] {
                let append = noted(&format!("warm:{number}"));
                process.append(append).await.expect("it is appended");
            }
        }
        assert!(!processes.waited().await, "nobody writes at the end");
        Some(processes)
    }

    /// Whether the last append waited for the disk under the lock of the head.
    async fn waited(&self) -> bool {
        let select = format!("SELECT durable FROM {}.head", self.schema.name());
        let row = self.client.query_one(&select, &[]).await;
        row.expect("it answers").get(0)
    }
}

/// A command with an event.
fn noted(tag: &str) -> Append {
    let event = EventData {
        event_type: EventType::new("noted"),
        version: 1,
        tags: Tags::from_iter([Tag::from(tag), Tag::from("all:1")]),
        payload: b"{}".to_vec(),
    };
    Append::new(CommandId::new(), vec![event])
}

/// The same command, with an id that a dispatcher has assigned.
fn assigned(mut append: Append) -> Append {
    append.command = CommandId::assigned(Timestamp::now());
    append.given_id(false)
}

fn tagged(tag: &str) -> EventQuery {
    EventQuery::tagged(Tag::from(tag))
}

async fn positions(log: &Postgres, tag: &str) -> Vec<u64> {
    let range = ReadRange::after(Position::START);
    let page = log.read(tagged(tag), range).await.expect("it reads");
    let events = page.events.iter();
    events.map(|event| event.position.get()).collect()
}

#[tokio::test]
async fn a_conflict_in_a_batch_names_an_event_that_is_there() {
    const TEST: &str = "a_conflict_in_a_batch_names_an_event_that_is_there";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    for round in 0..8 {
        let name = format!("name:{round}");
        let claim = || noted(&name).unless(tagged(&name), Position::START);
        let other = noted("other:1");
        there.append(other).await.expect("it is appended");
        let outcomes = join!(here.append(claim()), here.append(claim()));
        let (Ok(won), Err(AppendError::Conflict { at })) = outcomes else {
            panic!("one of both, the first: {outcomes:?}");
        };
        assert_eq!(at, won.first, "the evidence is the event of the other");
        assert_eq!(positions(there, &name).await, [at.get()]);
    }
}

#[tokio::test]
async fn what_others_touched_is_refused_and_the_rest_is_written() {
    const TEST: &str = "what_others_touched_is_refused_and_the_rest_is_written";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    for round in 0..8 {
        let [name, free] = ["name", "free"].map(|what| format!("{what}:{round}"));
        let claim = |tag: &str| noted(tag).unless(tagged(tag), Position::START);
        let taken = there.append(claim(&name)).await.expect("it is free");
        let outcomes = join!(here.append(claim(&name)), here.append(claim(&free)));
        let (Err(AppendError::Conflict { at }), Ok(written)) = outcomes else {
            panic!("only one is free: {outcomes:?}");
        };
        assert_eq!(at, taken.first);
        assert_eq!(written.first, taken.first.plus(1), "without a gap");
        assert_eq!(positions(there, &free).await, [written.first.get()]);
    }
    let all = positions(there, "all:1").await;
    assert_eq!(all, (1..=24).collect::<Vec<_>>());
}

/// I2: the event of the other process concerns the first request only, and the second one follows that.
#[tokio::test]
async fn what_follows_a_request_that_others_touched_is_refused() {
    const TEST: &str = "what_follows_a_request_that_others_touched_is_refused";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    for round in 0..8 {
        let [name, next] = ["name", "next"].map(|what| format!("{what}:{round}"));
        let token = AppendToken::new();
        let first = noted(&next).unless(tagged(&name), Position::START);
        let follows = Boundary::new(tagged(&next), Position::START).after_append(token);
        let second = noted(&next).boundary(follows);
        there.append(noted(&name)).await.expect("it is appended");
        let outcomes = join!(here.append(first.token(token)), here.append(second));
        let (Err(AppendError::Conflict { .. }), Err(AppendError::Conflict { .. })) = outcomes
        else {
            panic!("neither is written: {outcomes:?}");
        };
        assert!(positions(there, &next).await.is_empty());
    }
}

/// I6: the first sending of an assigned id is not looked up, and the table `commands` does not have it.
#[tokio::test]
async fn a_repetition_in_another_process_is_found_by_the_first_sending() {
    const TEST: &str = "a_repetition_in_another_process_is_found_by_the_first_sending";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    for round in 0..8 {
        let tag = format!("call:{round}");
        let first = assigned(noted(&tag));
        let again = there.append(first.clone().given_id(true)).await;
        let answer = here.append(first).await.expect("it is the same command");
        assert!(answer.replayed);
        assert_eq!(answer.first, again.expect("it is appended").first);
        assert_eq!(positions(there, &tag).await, [answer.first.get()]);
    }
}

/// I6: a repetition may be decided otherwise. Without events, its record is in the table `commands` only.
#[tokio::test]
async fn a_repetition_without_events_is_found_by_the_first_sending() {
    const TEST: &str = "a_repetition_without_events_is_found_by_the_first_sending";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    for round in 0..9 {
        let tag = format!("call:{round}");
        let first = assigned(noted(&tag));
        let mut again = first.clone().given_id(true);
        again.events.clear();
        let again = there.append(again).await.expect("it is appended");
        // Then the head is where it was, is moved by the other process, or is known to this one.
        if let Some(process) = [None, Some(there), Some(here)][round % 3] {
            let other = noted("other:1");
            process.append(other).await.expect("it is appended");
        }
        let answer = here.append(first).await.expect("it is the same command");
        assert!(answer.replayed);
        assert_eq!((answer.first, answer.count), (again.first, 0));
        assert!(positions(there, &tag).await.is_empty());
    }
}

/// Rows of `commands` are of given ids and of commands without events only, and are of the requests that
/// were written.
#[tokio::test]
async fn records_of_commands_are_those_of_what_was_written() {
    const TEST: &str = "records_of_commands_are_those_of_what_was_written";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    for round in 0..8 {
        let [name, free] = ["name", "free"].map(|what| format!("{what}:{round}"));
        let claim = |tag: &str| noted(tag).unless(tagged(tag), Position::START);
        let nothing = Append::new(CommandId::new(), Vec::new());
        let appends = [claim(&name), assigned(claim(&free)), nothing, noted(&free)];
        let ids = appends.each_ref().map(|append| append.command);
        there.append(claim(&name)).await.expect("it is free");
        let outcomes = join_all(appends.map(|append| here.append(append))).await;
        let [refused, written @ ..] = &outcomes[..] else {
            panic!("an answer to each");
        };
        assert!(
            matches!(refused, Err(AppendError::Conflict { .. })),
            "{refused:?}"
        );
        assert!(there.command(ids[0]).await.expect("it looks").is_none());
        for (id, written) in ids[1..].iter().zip(written) {
            let written = written.as_ref().expect("it is written");
            let found = there.command(*id).await.expect("it looks");
            let found = found.expect("it was recorded");
            assert_eq!((found.first, found.count), (written.first, written.count));
        }
    }
}
