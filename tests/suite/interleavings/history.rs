//! The model: the log as a list, and the requests that were sent, each of which has at most one effect.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cqrs_core::store::{
    AppendError, AppendToken, Appended, Boundary, EventLog, EventQuery, Events, ReadRange,
    Recorded, StateKey, StateWrite,
};
use cqrs_core::{CommandId, Position};

use super::draft::Request;

pub type Answer = Result<Appended, AppendError>;

#[derive(Default)]
pub struct History {
    log: Vec<Arc<Recorded>>,
    sent: Vec<Request>,
    done: HashMap<CommandId, Done>,
    /// The positions of each stored state, in order.
    states: HashMap<StateKey, Vec<Position>>,
    rows: HashSet<String>,
    /// Number of requests about which the store was asked.
    checked: usize,
}

/// A command that was recorded.
#[derive(Clone, Copy, Debug)]
struct Done {
    fingerprint: u64,
    first: Position,
    last: Position,
    count: u64,
}

/// Requests that were sent at the same time, with their answers.
pub struct Round {
    pub answered: Vec<(Request, Answer)>,
    /// No connection was lost, and no other process wrote.
    pub is_calm: bool,
}

impl History {
    pub fn head(&self) -> Position {
        Position::new(self.log.len() as u64)
    }

    /// All requests, whatever became of them.
    pub fn sent(&self) -> &[Request] {
        &self.sent
    }

    /// Records that the request is about to be sent.
    pub fn send(&mut self, request: &Request) {
        self.sent.push(request.clone());
    }

    /// The position of a stored state.
    pub fn state(&self, key: &StateKey) -> Option<Position> {
        self.states.get(key)?.last().copied()
    }

    /// The commands whose statements were executed.
    pub fn rows(&self) -> &HashSet<String> {
        &self.rows
    }

    /// Adds the events of a round, and checks that they and all answers follow from some order of its
    /// requests.
    pub async fn add(&mut self, store: &dyn EventLog, round: &Round) {
        let floor = self.head();
        let done_before: HashSet<_> = self.done.keys().copied().collect();
        self.add_without_events(round, floor);
        self.add_events(store, round).await;
        for (request, answer) in &round.answered {
            let id = request.append.command;
            let was_done = done_before.contains(&id);
            match answer {
                Ok(appended) => self.check_done(request, appended, was_done, floor),
                Err(error) => self.check_refused(request, error, was_done),
            }
        }
        self.check_effects(round, &done_before);
    }

    /// Commands without events have a record, which only their answers show.
    fn add_without_events(&mut self, round: &Round, floor: Position) {
        for (Request { append, .. }, answer) in &round.answered {
            if let Ok(appended) = answer
                && append.events.is_empty()
                && !self.done.contains_key(&append.command)
            {
                assert_eq!((appended.count, appended.last), (0, appended.first));
                assert!(appended.first >= floor, "{append:?} was in the past");
                self.done
                    .insert(append.command, Done::of(append.fingerprint, *appended));
            }
        }
    }

    /// I1, I2, I3: each command in the log is there once and whole, and its conditions hold there.
    async fn add_events(&mut self, store: &dyn EventLog, round: &Round) {
        let mut events = Events::read(store, EventQuery::All, ReadRange::after(self.head()));
        let mut new = Vec::new();
        while let Some(event) = events.next().await.expect("the log can be read") {
            new.push(event);
        }
        for events in new.chunk_by(|a, b| a.meta.command == b.meta.command) {
            let id = events[0].meta.command;
            let head = self.head();
            let sent = round.answered.iter().map(|(request, _)| request);
            let of_id = sent.filter(|it| it.append.command == id);
            let request = of_id
                .filter(|it| is_whole(it, events) && self.may_be_at(it, head))
                .min_by_key(|it| it.append.has_given_id)
                .unwrap_or_else(|| panic!("after {head}, no request explains {events:#?}"));
            for event in events {
                assert_eq!(event.position, self.head().plus(1), "I3: contiguous");
                let last = self
                    .log
                    .last()
                    .map_or(event.meta.time, |last| last.meta.time);
                assert!(event.meta.time >= last, "times never decrease");
                self.log.push(event.clone());
            }
            let last = self.head();
            for StateWrite { key, .. } in &request.append.states {
                self.states.entry(key.clone()).or_default().push(last);
            }
            let done = Done {
                fingerprint: request.append.fingerprint,
                first: head.plus(1),
                last,
                count: events.len() as u64,
            };
            let before = self.done.insert(id, done);
            assert!(before.is_none(), "I6: {id} is there twice");
            if request.has_row() {
                self.rows.insert(id.to_string());
            }
        }
    }

    /// Whether the request may be written when the log ends at `head`.
    fn may_be_at(&self, request: &Request, head: Position) -> bool {
        let append = &request.append;
        let is_valid = !request.is_bad() && !request.has_invalid_row();
        let holds = |boundary: &Boundary| {
            let after = match boundary.after_append {
                None => Some(boundary.after),
                Some(token) => self.followed(token).map(|done| done.last),
            };
            after.is_some_and(|after| {
                self.matches(&boundary.fail_if, after, head)
                    .next()
                    .is_none()
            })
        };
        let is_current = |write: &StateWrite| self.state(&write.key) == write.based_on;
        is_valid && append.boundaries.iter().all(holds) && append.states.iter().all(is_current)
    }

    /// The record of the request with this token.
    fn followed(&self, token: AppendToken) -> Option<&Done> {
        let mut sent = self.sent.iter().map(|request| &request.append);
        let append = sent.find(|append| append.token == Some(token))?;
        let done = self.done.get(&append.command);
        done.filter(|done| done.fingerprint == append.fingerprint)
    }

    /// The positions of matching events in `(after, up_to]`.
    fn matches(
        &self,
        query: &EventQuery,
        after: Position,
        up_to: Position,
    ) -> impl Iterator<Item = Position> {
        let events = self
            .log
            .iter()
            .skip(index(after))
            .take(index(up_to).saturating_sub(index(after)));
        events
            .filter(|event| query.matches_event(event))
            .map(|event| event.position)
    }

    /// I6, I7: an acknowledged command is in the log, where the answer says.
    fn check_done(
        &mut self,
        request: &Request,
        appended: &Appended,
        was_done: bool,
        floor: Position,
    ) {
        let append = &request.append;
        let done = self.done.get(&append.command);
        let done =
            *done.unwrap_or_else(|| panic!("I7: {append:?} was acknowledged and is not there"));
        assert_eq!(
            done.fingerprint, append.fingerprint,
            "an id answers for its own command"
        );
        let answered = (appended.first, appended.last, appended.count);
        assert_eq!(answered, (done.first, done.last, done.count), "{append:?}");
        if was_done {
            assert!(appended.replayed, "I6: {append:?} was done before");
        } else if append.events.is_empty() {
            let at = appended.last;
            assert!(at <= self.head());
            let holds = append.boundaries.iter().all(|boundary| {
                let is_followed = boundary.after_append.is_some();
                is_followed
                    || self
                        .matches(&boundary.fail_if, boundary.after, at)
                        .next()
                        .is_none()
            });
            // A repetition is answered whatever its own conditions are.
            assert!(holds || appended.replayed, "I2: {append:?} is at {at}");
            assert!(
                !request.has_invalid_row(),
                "its statement failed: {append:?}"
            );
            if request.has_row() {
                self.rows.insert(append.command.to_string());
            }
        } else {
            assert!(
                appended.first > floor,
                "{append:?} came before what was known"
            );
        }
    }

    /// I10, I11: a refusal has its reason in the log, or in the request itself.
    fn check_refused(&self, request: &Request, error: &AppendError, was_done: bool) {
        let append = &request.append;
        let done = self.done.get(&append.command);
        let is_own = done.is_some_and(|done| done.fingerprint == append.fingerprint);
        assert!(
            !was_done || !is_own,
            "I6: {append:?} was done before, now {error}"
        );
        match error {
            AppendError::Conflict { at } => {
                // Sent twice at once, it may be refused before it is done, never after.
                let until = match done {
                    Some(done) if is_own && done.count > 0 => done.first.before(),
                    _ => self.head(),
                };
                let is_evident =
                    append
                        .boundaries
                        .iter()
                        .any(|boundary| match boundary.after_append {
                            None => {
                                *at <= until
                                    && self.is_match(&boundary.fail_if, boundary.after, *at)
                            }
                            // A store may have forgotten the append that it follows.
                            Some(_) => true,
                        })
                        || append.states.iter().any(|write| self.had_state(write, *at));
                assert!(
                    is_evident,
                    "I10: nothing at {at} is in the way of {request:?}"
                );
            }
            AppendError::CommandMismatch { .. } => {
                assert!(done.is_some() && !is_own, "the id of {append:?} is its own");
            }
            AppendError::Invalid { .. } => assert!(request.is_bad(), "I11: {append:?}: {error}"),
            AppendError::Statement { .. } => {
                assert!(request.has_invalid_row(), "I11: {append:?}: {error}");
            }
            error => panic!("{append:?}: {error}"),
        }
    }

    fn is_match(&self, query: &EventQuery, after: Position, at: Position) -> bool {
        at > after && self.matches(query, at.before(), at).next().is_some()
    }

    /// Whether the stored state was once at this position, and not where the request expects it.
    fn had_state(&self, write: &StateWrite, at: Position) -> bool {
        let positions = self.states.get(&write.key);
        let is_known = positions.is_some_and(|positions| positions.contains(&at));
        write.based_on != Some(at) && (is_known || at == Position::START)
    }

    /// I6: of the requests under one id, one is the first. With a lost answer, the first one may be
    /// told that it was done before.
    fn check_effects(&self, round: &Round, done_before: &HashSet<CommandId>) {
        let mut first = HashMap::<_, u32>::new();
        for (request, answer) in &round.answered {
            if let Ok(appended) = answer {
                *first.entry(request.append.command).or_default() += u32::from(!appended.replayed);
            }
        }
        for (id, first) in first {
            let expected = u32::from(!done_before.contains(&id));
            assert!(first <= expected, "I6: {id} was done {first} times");
            assert!(first == expected || !round.is_calm, "I6: nobody did {id}");
        }
    }

    /// Asks the store about some of the commands that were sent since the last time.
    pub async fn check_records(&mut self, store: &dyn EventLog) {
        for Request { append, .. } in self.sent.iter().skip(self.checked).step_by(8) {
            let stored = store.command(append.command).await;
            let stored = stored.expect("commands can be read");
            let stored = stored.map(|it| (it.fingerprint, it.first, it.count));
            let done = self.done.get(&append.command);
            assert_eq!(stored, done.map(|it| (it.fingerprint, it.first, it.count)));
        }
        self.checked = self.sent.len();
    }
}

impl Done {
    fn of(fingerprint: u64, appended: Appended) -> Self {
        Self {
            fingerprint,
            first: appended.first,
            last: appended.last,
            count: appended.count,
        }
    }
}

/// Whether these are the events of the request.
fn is_whole(request: &Request, events: &[Arc<Recorded>]) -> bool {
    let events = events.iter().map(|event| &event.data);
    events.eq(request.append.events.iter())
}

fn index(position: Position) -> usize {
    usize::try_from(position.get()).expect("a short log")
}
