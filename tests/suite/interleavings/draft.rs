//! Requests as a case describes them, before positions and ids are known.

use cqrs_core::store::{
    Append, AppendToken, Boundary, EventData, EventQuery, EventQueryItem, EventType, StateKey,
    StateWrite, Tag, Tags,
};
use cqrs_core::{CommandId, Position, Timestamp};
use cqrs_postgres::SqlWrites;
use proptest::prelude::*;
use proptest::sample::Index;

use super::history::History;

/// Few, so that requests meet.
const TAGS: std::ops::Range<u8> = 0..6;

/// Number of requests of which one may be sent again. Some of them may still be on their way.
const MAX_RECENT: usize = 64;

/// A connection is lost with the first message that has this in it.
pub const MARKER: &str = "lost-with-its-connection";

#[derive(Clone, Debug)]
pub struct Draft {
    id: Id,
    events: usize,
    /// The tags of all events.
    tags: (u8, Option<u8>),
    condition: Condition,
    /// It follows the request that the same process sends before it.
    is_follower: bool,
    state: Option<State>,
    row: Option<Row>,
    flaw: Option<Flaw>,
}

#[derive(Clone, Debug)]
enum Id {
    Given,
    /// As a dispatcher assigns them.
    Assigned,
    /// That of an earlier request, with its command.
    Again(Index),
    /// That of an earlier request, though the command is another one.
    Taken(Index),
}

/// The events that a request depends on, and the number of events, up to the head, that its decision
/// did not read.
#[derive(Clone, Debug)]
enum Condition {
    None,
    Tag(u64),
    Tags(u64),
    Type(u64),
    Any(u64),
}

/// The stored state that a request writes, and whether it was decided on the current one.
#[derive(Clone, Debug)]
struct State {
    key: u8,
    is_current: bool,
}

/// A row that a statement writes in the same transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Row {
    Valid,
    Invalid,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    /// The server refuses one of its values.
    Bad,
    /// The answer to its batch is lost, with the connection.
    Lost,
}

pub fn drafts(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Draft>> {
    prop::collection::vec(draft(), count)
}

fn draft() -> impl Strategy<Value = Draft> {
    let id = prop_oneof![
        6 => Just(Id::Given),
        6 => Just(Id::Assigned),
        2 => any::<Index>().prop_map(Id::Again),
        1 => any::<Index>().prop_map(Id::Taken),
    ];
    let unread = || prop_oneof![4 => Just(0), 1 => 1..4_u64, 1 => Just(u64::MAX)];
    let condition = prop_oneof![
        3 => Just(Condition::None),
        6 => unread().prop_map(Condition::Tag),
        2 => unread().prop_map(Condition::Tags),
        1 => unread().prop_map(Condition::Type),
        1 => unread().prop_map(Condition::Any),
    ];
    let state = (TAGS, prop::bool::weighted(0.8));
    let state = state.prop_map(|(key, is_current)| State { key, is_current });
    let row = prop_oneof![4 => Just(Row::Valid), 1 => Just(Row::Invalid)];
    let flaw = prop_oneof![3 => Just(Flaw::Bad), 1 => Just(Flaw::Lost)];
    let tags = (TAGS, prop::option::weighted(0.2, TAGS));
    (
        (id, 0..3_usize, tags, condition),
        prop::bool::weighted(0.15),
        prop::option::weighted(0.1, state),
        prop::option::weighted(0.04, row),
        prop::option::weighted(0.02, flaw),
    )
        .prop_map(
            |((id, events, tags, condition), is_follower, state, row, flaw)| Draft {
                id,
                events,
                tags,
                condition,
                is_follower,
                state,
                row,
                flaw,
            },
        )
}

/// A request, with the reasons for which a store may fail it.
#[derive(Clone, Debug)]
pub struct Request {
    pub append: Append,
    row: Option<Row>,
    flaw: Option<Flaw>,
}

impl Request {
    pub fn is_bad(&self) -> bool {
        self.flaw == Some(Flaw::Bad)
    }

    pub fn is_lost(&self) -> bool {
        self.flaw == Some(Flaw::Lost)
    }

    pub fn has_row(&self) -> bool {
        self.row == Some(Row::Valid)
    }

    pub fn has_invalid_row(&self) -> bool {
        self.row == Some(Row::Invalid)
    }
}

impl Draft {
    /// The request, if the history is known up to its head, and `previous` is the request that the same
    /// process sends before.
    pub fn request(&self, history: &History, previous: Option<&Request>, schema: &str) -> Request {
        let recent = history.sent().len().saturating_sub(MAX_RECENT);
        let earlier = |index: &Index| match &history.sent()[recent..] {
            [] => None,
            sent => Some(index.get(sent).clone()),
        };
        let fresh = |command| self.fresh(command, history, previous, schema);
        match &self.id {
            Id::Assigned => {
                let mut request = fresh(CommandId::assigned(Timestamp::now()));
                request.append = request.append.given_id(false);
                request
            }
            Id::Again(index) => match earlier(index) {
                Some(mut request) => {
                    request.append = request.append.given_id(true).token(AppendToken::new());
                    // The other one may have been sent by another process, whose tokens mean nothing here.
                    for boundary in &mut request.append.boundaries {
                        boundary.after_append = None;
                    }
                    request
                }
                None => fresh(CommandId::new()),
            },
            Id::Taken(index) => match earlier(index) {
                Some(request) => fresh(request.append.command),
                None => fresh(CommandId::new()),
            },
            Id::Given => fresh(CommandId::new()),
        }
    }

    fn fresh(
        &self,
        command: CommandId,
        history: &History,
        previous: Option<&Request>,
        schema: &str,
    ) -> Request {
        let fingerprint = CommandId::new().as_uuid().as_u64_pair().1;
        // Only events carry what is wrong with a request.
        let flaw = self.flaw.filter(|_| self.events > 0);
        let marker = match flaw {
            Some(Flaw::Lost) => MARKER,
            _ => "",
        };
        let event = |index| EventData {
            event_type: event_type(index),
            version: 1,
            tags: self.tags(),
            payload: format!("\"{fingerprint}-{index}{marker}\"").into_bytes(),
        };
        let events = (0..self.events).map(event).collect();
        let append = Append::new(command, events).fingerprint(fingerprint);
        let mut append = append.token(AppendToken::new());
        let after = |unread| Position::new(history.head().get().saturating_sub(unread));
        append = match self.condition {
            Condition::None => append,
            Condition::Tag(unread) => {
                append.unless(EventQuery::tagged(tag(self.tags.0)), after(unread))
            }
            Condition::Tags(unread) => {
                append.unless(EventQuery::tagged(self.tags()), after(unread))
            }
            Condition::Type(unread) => {
                let item = EventQueryItem {
                    types: vec![event_type(1)],
                    tags: vec![tag(self.tags.0)],
                };
                append.unless(EventQuery::Items(vec![item]), after(unread))
            }
            Condition::Any(unread) => append.unless(EventQuery::All, after(unread)),
        };
        let followed = previous.and_then(|previous| previous.append.token);
        if let Some(token) = followed.filter(|_| self.is_follower) {
            let query = EventQuery::tagged(tag(self.tags.0));
            append = append.boundary(Boundary::new(query, after(0)).after_append(token));
        }
        if let Some(state) = self.state.as_ref().filter(|_| self.events > 0) {
            let key = StateKey {
                aggregate: "counter",
                id: state.key.to_string(),
            };
            let current = history.state(&key);
            let other = current.is_none().then_some(Position::new(1));
            append = append.state(StateWrite {
                body: b"1".to_vec(),
                based_on: if state.is_current { current } else { other },
                key,
            });
        }
        if let Some(row) = self.row {
            let mut writes = SqlWrites::default();
            let value = matches!(row, Row::Valid).then(|| command.to_string());
            let insert = format!("INSERT INTO {schema}.noted (command) VALUES ($1)");
            writes.execute(insert, (value,));
            append = append.writes(writes);
        }
        if flaw == Some(Flaw::Bad) {
            append = append.by("PostgreSQL stores no \0");
        }
        Request {
            append,
            row: self.row,
            flaw,
        }
    }

    fn tags(&self) -> Tags {
        let (first, second) = self.tags;
        [first].into_iter().chain(second).map(tag).collect()
    }
}

fn tag(number: u8) -> Tag {
    Tag::new("account", number)
}

fn event_type(index: usize) -> EventType {
    EventType::new(["booked", "closed"][index % 2])
}
