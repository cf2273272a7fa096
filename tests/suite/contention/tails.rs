//! What the function `append_at_end` finds in the events of other processes, and returns of them.

use cqrs_core::Position;
use cqrs_core::store::{Append, AppendError, EventLog, EventQuery, EventType, Tag};
use cqrs_postgres::Postgres;
use futures_util::future::join_all;
use tokio::join;

use super::{Processes, noted, positions, tagged};

/// A command with an event that has these tags.
fn tagged_with(tags: &[&str]) -> Append {
    let mut append = noted("any:1");
    append.events[0].tags = tags.iter().map(|tag| Tag::from(*tag)).collect();
    append
}

/// A command that fails if there is an event with the tag.
fn claim(tag: &str) -> Append {
    tagged_with(&[tag]).unless(tagged(tag), Position::START)
}

/// Of two commands in one batch, the one whose tag another process has used is refused, with its event as the
/// evidence, and the other one is written, right behind that event.
async fn assert_is_found(log: &Postgres, used: &str, free: &str, at: Position) {
    let outcomes = join!(log.append(claim(used)), log.append(claim(free)));
    let (Err(AppendError::Conflict { at: evidence }), Ok(written)) = outcomes else {
        panic!("{used:?} is used, and {free:?} is not: {outcomes:?}");
    };
    assert_eq!((evidence, written.first), (at, at.plus(1)), "{used:?}");
}

#[tokio::test]
async fn each_tag_of_an_event_is_found() {
    const TEST: &str = "each_tag_of_an_event_is_found";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    let unusual = "name:\"\\\u{1}\n\u{e9}";
    let separated = "name:\u{1f}1";
    let lists: &[&[&str]] = &[
        &["only:1"],
        &["first:1", "last:1"],
        &["first:2", "middle:2", "last:2"],
        &[unusual],
        &["first:3", unusual],
        // Between two tags, the function has this character.
        &[separated],
        &["first:4", separated],
    ];
    for (round, tags) in lists.iter().enumerate() {
        for tag in *tags {
            // Each one occurs once, in an event that nobody else has seen.
            let tags: Vec<String> = tags.iter().map(|it| format!("{it}{round}-{tag}")).collect();
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            let used = format!("{tag}{round}-{tag}");
            let free = format!("free:{round}-{tag}");
            there
                .append(noted("other:1"))
                .await
                .expect("it is appended");
            let event = there
                .append(tagged_with(&tags))
                .await
                .expect("it is appended");
            assert_is_found(here, &used, &free, event.first).await;
        }
    }
}

/// An empty tag is one, other than none.
#[tokio::test]
async fn an_empty_tag_is_found_where_it_is() {
    const TEST: &str = "an_empty_tag_is_found_where_it_is";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    there
        .append(tagged_with(&[]))
        .await
        .expect("it is appended");
    here.append(noted("other:1")).await.expect("it is appended");
    // Decided in the process, on what the function has returned.
    here.append(claim("")).await.expect("nothing has this tag");
    there
        .append(tagged_with(&[]))
        .await
        .expect("it is appended");
    there
        .append(noted("other:2"))
        .await
        .expect("it is appended");
    here.append(claim("other:3"))
        .await
        .expect("nothing has this tag");
    let refused = there.append(claim("")).await;
    assert!(
        matches!(refused, Err(AppendError::Conflict { .. })),
        "{refused:?}"
    );
}

/// What a process has learned of others is what it decides on later.
#[tokio::test]
async fn events_that_were_returned_are_evidence_later() {
    const TEST: &str = "events_that_were_returned_are_evidence_later";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    let lists: [&[&str]; 5] = [
        &["used:1"],
        &["first:1", "used:2"],
        &[],
        &["used:3"],
        &["name:\u{1f}", "used:4"],
    ];
    let mut events = Vec::new();
    for tags in lists {
        let event = there
            .append(tagged_with(tags))
            .await
            .expect("it is appended");
        events.push(event.first);
    }
    here.append(noted("other:1")).await.expect("it is appended");
    for (used, at) in [("used:1", 0), ("used:2", 1), ("used:3", 3), ("used:4", 4)] {
        let refused = here.append(claim(used)).await;
        let Err(AppendError::Conflict { at: evidence }) = refused else {
            panic!("{used} is used: {refused:?}");
        };
        assert_eq!(evidence, events[at], "{used}");
    }
}

#[tokio::test]
async fn a_command_that_depends_on_all_events_is_left_out_because_of_any() {
    const TEST: &str = "a_command_that_depends_on_all_events_is_left_out_because_of_any";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    let mut head = here
        .append(noted("other:1"))
        .await
        .expect("it is appended")
        .first;
    for round in 0..8 {
        let free = format!("free:{round}");
        let all = || noted("any:1").unless(EventQuery::All, head);
        let event = there
            .append(tagged_with(&[]))
            .await
            .expect("it is appended");
        let outcomes = join!(here.append(all()), here.append(claim(&free)));
        let (Err(AppendError::Conflict { at }), Ok(written)) = outcomes else {
            panic!("only one depends on the event: {outcomes:?}");
        };
        assert!(at >= event.first, "an event that is there: {at}");
        assert_eq!(written.first, event.first.plus(1));
        head = written.first;
    }
}

/// Rows from before version 8 have no first tag of their own.
#[tokio::test]
async fn the_tags_of_a_row_of_an_earlier_layout_are_found() {
    const TEST: &str = "the_tags_of_a_row_of_an_earlier_layout_are_found";
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes {
        schema,
        client,
        here,
        there,
    } = &processes;
    let insert = r"
        WITH head AS (
            UPDATE cqrs.head SET position = position + 1, last = gen_random_uuid() RETURNING position
        ), tags AS (
            INSERT INTO cqrs.event_tags SELECT unnest($1::text[]), position FROM head
        )
        INSERT INTO cqrs.events (
            position, id, type, version, all_tags, time, command, payload
        )
        SELECT
            position, gen_random_uuid(), 'noted', 1, to_json($1::text[])::text, 0, gen_random_uuid(), '{}'
        FROM head
        RETURNING position
    ";
    let insert = insert.replace("cqrs.", &format!("{}.", schema.name()));
    for place in 0..2 {
        let tags = ["first", "last"].map(|name| format!("{name}:{place}"));
        // The window of the process ends before the row.
        there
            .append(noted("other:1"))
            .await
            .expect("it is appended");
        let row = client.query_one(&insert, &[&tags.as_slice()]).await;
        let position: i64 = row.expect("it is inserted").get(0);
        let at = Position::new(position.cast_unsigned());
        assert_is_found(here, &tags[place], &format!("free:{place}"), at).await;
    }
}

/// The function returns no more events than the window has room for. The process reads the end of the log instead.
#[tokio::test]
async fn a_tail_up_to_the_limit_is_returned_and_a_longer_one_is_not() {
    const TEST: &str = "a_tail_up_to_the_limit_is_returned_and_a_longer_one_is_not";
    const LIMIT: usize = 4;
    let Some(processes) = Processes::with(TEST, Postgres::options().window(LIMIT)).await else {
        return;
    };
    let Processes { here, there, .. } = &processes;
    for newer in [LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT] {
        for place in [0, newer - 1] {
            let used = format!("used:{newer}-{place}");
            let mut at = Position::START;
            for number in 0..newer {
                let tag = if number == place { &used } else { "other:1" };
                let event = there.append(noted(tag)).await.expect("it is appended");
                if number == place {
                    at = event.first;
                }
            }
            let free = format!("free:{newer}-{place}");
            let outcomes = join!(here.append(claim(&used)), here.append(claim(&free)));
            let (Err(AppendError::Conflict { at: evidence }), Ok(written)) = outcomes else {
                panic!("{used} is used, and {free} is not: {outcomes:?}");
            };
            assert_eq!(evidence, at, "{used}");
            assert_eq!(positions(there, &free).await, [written.first.get()]);
        }
    }
}

/// Each block of positions is recorded with the types that occur in it, and with no others, also if commands are left
/// out, and if a batch goes on in the next block.
#[tokio::test]
async fn blocks_of_types_are_those_of_what_was_written() {
    const TEST: &str = "blocks_of_types_are_those_of_what_was_written";
    const TYPES: [&str; 3] = ["opened", "noted", "closed"];
    let Some(processes) = Processes::start(TEST).await else {
        return;
    };
    let Processes {
        schema,
        client,
        here,
        there,
    } = &processes;
    for round in 0..24 {
        let used = format!("used:{round}");
        there.append(noted(&used)).await.expect("it is appended");
        let appends = (0..33).map(|number| {
            // The last type is rare. In most rounds, the command that has it is left out.
            let is_rare = number == 32;
            let tag = if is_rare && round % 6 > 0 {
                used.clone()
            } else {
                format!("free:{round}-{number}")
            };
            let mut append = claim(&tag);
            let name = if is_rare { TYPES[2] } else { TYPES[number % 2] };
            append.events[0].event_type = EventType::new(name);
            here.append(append)
        });
        let outcomes = join_all(appends).await;
        let written = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(written, if round % 6 > 0 { 32 } else { 33 });
    }
    let select = r"
        SELECT
            (SELECT array_agg(DISTINCT format('%s in %s', type, (position - 1) / 256)) FROM cqrs.events),
            (SELECT array_agg(DISTINCT format('%s in %s', type, block)) FROM cqrs.type_blocks)
    ";
    let select = select.replace("cqrs.", &format!("{}.", schema.name()));
    let row = client.query_one(&select, &[]).await.expect("it is read");
    let [found, recorded]: [Vec<String>; 2] = [row.get(0), row.get(1)];
    assert!(found.len() > 2 * TYPES.len(), "several blocks: {found:?}");
    assert_eq!(recorded, found);
}
