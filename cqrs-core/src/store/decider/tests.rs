//! Random logs and batches, decided by [`Decider`] and by a model that looks at every event.

use std::collections::{BTreeMap, HashMap};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::store::{AppendToken, EventQueryItem, EventType, StateKey, Tag, Tags};

const TYPES: [&str; 2] = ["opened", "closed"];
const TAGS: [&str; 3] = ["a:1", "b:2", "c:3"];

/// Type and tags of an event.
type Event = (EventType, Tags);

/// An append as it is generated: its boundaries are relative to the log that it meets.
#[derive(Clone, Debug)]
struct Sketch {
    events: Vec<Event>,
    boundaries: Vec<BoundarySketch>,
    /// The aggregate's id, and whether the decision knew the stored state.
    state: Option<(u8, bool)>,
    has_token: bool,
}

#[derive(Clone, Debug)]
struct BoundarySketch {
    query: EventQuery,
    /// How far before the head the decision read.
    behind: u64,
    /// The decision follows the append before it in the batch.
    follows: bool,
    is_of_other_incarnation: bool,
}

#[derive(Clone, Debug)]
struct Log {
    events: Vec<Event>,
    window_capacity: usize,
    /// Batches; whether each one is written in the end.
    batches: Vec<(Vec<Sketch>, bool)>,
}

fn event_type() -> impl Strategy<Value = EventType> {
    proptest::sample::select(&TYPES[..]).prop_map(EventType::new)
}

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    proptest::sample::subsequence(&TAGS[..], 0..=2)
        .prop_map(|tags| tags.into_iter().map(Tag::from).collect())
}

fn event() -> impl Strategy<Value = Event> {
    (event_type(), tags()).prop_map(|(event_type, tags)| (event_type, tags.into_iter().collect()))
}

fn query() -> impl Strategy<Value = EventQuery> {
    let item =
        (vec(event_type(), 0..=1), tags()).prop_map(|(types, tags)| EventQueryItem { types, tags });
    prop_oneof![
        1 => Just(EventQuery::All),
        9 => vec(item, 1..3).prop_map(EventQuery::Items),
    ]
}

fn boundary() -> impl Strategy<Value = BoundarySketch> {
    (query(), 0..8_u64, any::<bool>(), 0..20_u8).prop_map(|(query, behind, follows, rare)| {
        BoundarySketch {
            query,
            behind,
            follows,
            is_of_other_incarnation: rare == 0,
        }
    })
}

fn append() -> impl Strategy<Value = Sketch> {
    let state = proptest::option::weighted(0.3, (0..2_u8, proptest::bool::weighted(0.8)));
    (
        vec(event(), 0..3),
        vec(boundary(), 0..3),
        state,
        any::<bool>(),
    )
        .prop_map(|(events, boundaries, state, has_token)| Sketch {
            events,
            boundaries,
            state,
            has_token,
        })
}

fn log() -> impl Strategy<Value = Log> {
    let batches = vec((vec(append(), 1..5), proptest::bool::weighted(0.8)), 1..6);
    (vec(event(), 0..10), 0..8_usize, batches).prop_map(|(events, window_capacity, batches)| Log {
        events,
        window_capacity,
        batches,
    })
}

/// The log and what is about to be written: everything that the model looks at.
struct Model {
    events: Vec<Event>,
    states: HashMap<StateKey, Position>,
    tokens: BTreeMap<AppendToken, Position>,
}

impl Model {
    fn head(&self) -> Position {
        Position::new(self.events.len() as u64)
    }

    fn matches(&self, query: &EventQuery, at: Position) -> bool {
        let (event_type, tags) = &self.events[usize::try_from(at.get() - 1).unwrap()];
        query.matches(event_type, tags)
    }

    fn first_match(
        &self,
        query: &EventQuery,
        after: Position,
        up_to: Position,
    ) -> Option<Position> {
        let mut later = (after.get() + 1..=up_to.get()).map(Position::new);
        later.find(|at| self.matches(query, *at))
    }

    fn accepts(&self, log_head: Position, boundaries: &[Boundary], states: &[StateWrite]) -> bool {
        let holds = |boundary: &Boundary| {
            let after = match boundary.after_append {
                None => boundary.after,
                Some(token) => match self.tokens.get(&token) {
                    Some(last) => *last,
                    None => return false,
                },
            };
            let conflict = self.first_match(&boundary.fail_if, after, self.head());
            !is_rewound(boundary, log_head) && conflict.is_none()
        };
        let is_current =
            |write: &StateWrite| self.states.get(&write.key).copied() == write.based_on;
        boundaries.iter().all(holds) && states.iter().all(is_current)
    }
}

fn is_rewound(boundary: &Boundary, log_head: Position) -> bool {
    boundary.incarnation != Incarnation::default() || boundary.after > log_head
}

fn conditions(
    sketch: &Sketch,
    log_head: Position,
    previous: Option<AppendToken>,
    model: &Model,
) -> (Vec<Boundary>, Vec<StateWrite>) {
    let boundaries = sketch.boundaries.iter().map(|it| {
        // One position past the head, to have decisions on a log that was longer.
        let after = Position::new((log_head.get() + 1).saturating_sub(it.behind));
        let mut boundary = Boundary::new(it.query.clone(), after);
        boundary.after_append = previous.filter(|_| it.follows);
        if it.is_of_other_incarnation {
            boundary.incarnation = boundary.incarnation.next();
        }
        boundary
    });
    let states = sketch.state.map(|(id, is_known)| {
        let key = StateKey {
            aggregate: "account",
            id: id.to_string(),
        };
        let stored = model.states.get(&key).copied();
        StateWrite {
            based_on: if is_known {
                stored
            } else {
                Some(Position::new(99))
            },
            body: Vec::new(),
            key,
        }
    });
    (boundaries.collect(), states.into_iter().collect())
}

/// Checks, then asks the log, which ends at the decider's head, and the states, which include those
/// that are about to be written.
fn decide(
    decider: &Decider<'_>,
    model: &Model,
    boundaries: &[Boundary],
    states: &[StateWrite],
) -> Result<(), AppendError> {
    for question in decider.check(boundaries, states)? {
        let answer = match question {
            Question::Match {
                fail_if,
                after,
                up_to,
            } => {
                assert_eq!(
                    up_to, decider.head,
                    "the log is asked about all that it has"
                );
                model.first_match(fail_if, after, up_to)
            }
            Question::State(write) => model.states.get(&write.key).copied(),
        };
        question.settle(answer)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn it_decides_as_a_model_that_looks_at_every_event(log in log()) {
        let mut window = ConflictWindow::new(Position::START, log.window_capacity);
        let mut model = Model {
            events: Vec::new(),
            states: HashMap::new(),
            tokens: BTreeMap::new(),
        };
        for (event_type, tags) in log.events {
            window.add(event_type.clone(), tags.clone());
            model.events.push((event_type, tags));
        }
        for (batch, is_written) in log.batches {
            let head = model.head();
            let states_before = model.states.clone();
            let mut previous = None;
            for sketch in &batch {
                let (boundaries, states) = conditions(sketch, head, previous, &model);
                let decider = Decider {
                    incarnation: Incarnation::default(),
                    head,
                    window: &window,
                };
                if !decider.is_decidable(&boundaries) {
                    let pending = model.events.len() as u64 - head.get();
                    prop_assert!(pending > log.window_capacity as u64);
                    continue;
                }
                let decided = decide(&decider, &model, &boundaries, &states);
                let is_accepted = model.accepts(head, &boundaries, &states);
                prop_assert_eq!(decided.is_ok(), is_accepted, "{:?}", decided);
                if let Err(AppendError::Store(StoreError::Rewound { .. })) = decided {
                    prop_assert!(boundaries.iter().any(|it| is_rewound(it, head)));
                }
                if decided.is_err() {
                    continue;
                }
                for (event_type, tags) in &sketch.events {
                    window.add(event_type.clone(), tags.clone());
                    model.events.push((event_type.clone(), tags.clone()));
                }
                let last = model.head();
                for write in states {
                    model.states.insert(write.key, last);
                }
                previous = sketch.has_token.then(AppendToken::new);
                if let Some(token) = previous {
                    window.record(token, last);
                    model.tokens.insert(token, last);
                }
            }
            if !is_written {
                window.truncate(head);
                model.events.truncate(usize::try_from(head.get()).unwrap());
                model.states = states_before;
                // An append without events may stay known: nothing that follows it can tell.
                model.tokens.retain(|_, last| *last <= head);
            }
            prop_assert_eq!(window.head(), model.head());
        }
    }

    /// I10: what is reported as a conflict exists, and is after what the decision read.
    #[test]
    fn a_conflict_names_an_event_after_the_boundary(
        events in vec(event(), 1..12),
        capacity in 0..12_usize,
        query in query(),
        after in 0..12_u64,
    ) {
        let mut window = ConflictWindow::new(Position::START, capacity);
        let mut model = Model {
            events: Vec::new(),
            states: HashMap::new(),
            tokens: BTreeMap::new(),
        };
        for (event_type, tags) in events {
            window.add(event_type.clone(), tags.clone());
            model.events.push((event_type, tags));
        }
        let boundaries = [Boundary::new(query, Position::new(after))];
        let decider = Decider {
            incarnation: Incarnation::default(),
            head: model.head(),
            window: &window,
        };
        let decided = decide(&decider, &model, &boundaries, &[]);
        match decided {
            Err(AppendError::Conflict { at }) => {
                prop_assert!(at > boundaries[0].after);
                prop_assert!(model.matches(&boundaries[0].fail_if, at));
            }
            Err(error) => prop_assert!(after > model.head().get(), "{error}"),
            Ok(()) => {}
        }
    }
}
