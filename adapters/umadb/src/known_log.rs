use std::sync::{Mutex, MutexGuard, PoisonError};

use cqrs_core::store::{Heads, Incarnation, Position, Recorded};
use cqrs_core::{CommandId, Timestamp};
use uuid::Uuid;

use crate::proto;

/// The log as this process knows it: its end, and a landmark by which new connections recognize it.
///
/// Another server may answer at the same address, such as a restored backup, and its log may lack events
/// that this process has acted on. The first connection to another log begins a new incarnation, in
/// which nothing that is known of the old log counts.
pub(crate) struct KnownLog {
    heads: Heads,
    /// Its lock is held while the heads change, so that nothing of an earlier log raises them.
    state: Mutex<TailState>,
}

#[derive(Default)]
struct TailState {
    landmark: Option<Landmark>,
    time: Timestamp,
}

/// An event that identifies the log. A log with another event at this position, or with none, does not
/// continue the known one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Landmark {
    pub(crate) position: Position,
    pub(crate) command: Uuid,
}

impl Landmark {
    /// `None` if the event was not written by this crate.
    pub(crate) fn of(stored: &proto::SequencedEvent) -> Option<Self> {
        let command: CommandId = stored.tracking_info.as_ref()?.source.parse().ok()?;
        Some(Self {
            position: Position::new(stored.position),
            command: command.as_uuid(),
        })
    }
}

impl TailState {
    fn see(&mut self, event: Landmark) {
        if self
            .landmark
            .is_none_or(|known| known.position < event.position)
        {
            self.landmark = Some(event);
        }
    }
}

impl KnownLog {
    /// A log with this id, of which nothing is known yet.
    pub(crate) fn new(log: Uuid) -> Self {
        Self {
            heads: Heads::new(Position::START).of_log(log),
            state: Mutex::default(),
        }
    }

    pub(crate) fn heads(&self) -> &Heads {
        &self.heads
    }

    pub(crate) fn landmark(&self) -> Option<Landmark> {
        self.lock().landmark
    }

    /// Publishes a head of the log of this incarnation.
    pub(crate) fn advance(&self, incarnation: Incarnation, head: Position) {
        let _state = self.lock();
        if self.heads.incarnation() == incarnation {
            self.heads.advance(head);
        }
    }

    /// Notes an event of the log.
    pub(crate) fn note(&self, incarnation: Incarnation, event: Landmark, time: Timestamp) {
        let mut state = self.lock();
        if self.heads.incarnation() != incarnation {
            return;
        }
        state.see(event);
        state.time = state.time.max(time);
        self.heads.advance(event.position);
    }

    /// Notes the event that the log ends with. A log is recognized by it even if this process reads
    /// no event: what it knows may be that there is none about an aggregate.
    pub(crate) fn note_last(&self, incarnation: Incarnation, last: Option<&proto::SequencedEvent>) {
        let Some(last) = last else { return };
        let mut state = self.lock();
        if self.heads.incarnation() != incarnation {
            return;
        }
        if let Some(landmark) = Landmark::of(last) {
            state.see(landmark);
        }
        self.heads.advance(Position::new(last.position));
    }

    /// Notes an event that was read.
    pub(crate) fn note_read(&self, incarnation: Incarnation, event: &Recorded) {
        let landmark = Landmark {
            position: event.position,
            command: event.meta.command.as_uuid(),
        };
        self.note(incarnation, landmark, event.meta.time);
    }

    /// The time to record for a decision made at `time`: no earlier than that of any event that
    /// this process has seen.
    pub(crate) fn time(&self, time: Timestamp) -> Timestamp {
        self.lock().time.max(time)
    }

    /// Switches to another log, which ends at `head`.
    pub(crate) fn replace(&self, head: Position) -> Incarnation {
        let mut state = self.lock();
        state.landmark = None;
        self.heads.replace(self.heads.log_id(), head)
    }

    /// Nothing that holds the lock panics, so a poisoned lock still guards consistent data.
    fn lock(&self) -> MutexGuard<'_, TailState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
