use std::collections::VecDeque;
use std::pin::pin;

use cqrs_kit::batch::{Batches, MAX_IN_FLIGHT};
use futures_util::future::{Either, select};
use tokio::sync::mpsc::Receiver;

use super::batch::Batch;
use super::engine::Engine;
use super::flight::{Flight, Landing};
use super::request::Request;

/// The way of the batches from the queue to the log, in the order of their requests.
///
/// A batch is sent while the one ahead of it is in flight, decided as if that one were written. So the
/// server executes one batch while the next one is made, instead of waiting for it.
///
/// Invariants:
///
/// - Each batch in flight was decided on the head that the one ahead of it sets, and compares it. So if a
///   batch is not written, none behind it is.
/// - Batches are answered in the order in which they were sent. If one is not written, those behind it
///   are void: they wait for their answers, and are decided again, in the same order, before any request
///   of the queue.
pub(super) struct Pipeline {
    engine: Engine,
    batches: Batches<Request>,
    /// Batches to be sent next, ahead of the queue.
    next: VecDeque<Batch>,
    /// Batches that were sent, the oldest one first.
    in_flight: VecDeque<Flight>,
}

impl Pipeline {
    pub(super) fn new(engine: Engine, requests: Receiver<Request>, max_batch: usize) -> Self {
        Self {
            engine,
            batches: Batches::new(requests, max_batch),
            next: VecDeque::new(),
            in_flight: VecDeque::new(),
        }
    }

    /// Writes what comes from the queue. Returns when the queue is closed and all of it is answered.
    pub(super) async fn run(mut self) {
        loop {
            if self.in_flight.is_empty() {
                let batch = match self.next.pop_front() {
                    Some(batch) => batch,
                    None => match self.first().await {
                        Some(requests) => Batch::new(requests),
                        None => return,
                    },
                };
                self.in_flight.extend(self.engine.launch(batch).await);
            } else if let Some(landing) = self.follow().await {
                self.land(landing).await;
            }
        }
    }

    async fn first(&mut self) -> Option<Vec<Request>> {
        if self.engine.is_contended() {
            self.batches.only().await
        } else {
            self.batches.first().await
        }
    }

    /// Sends another batch behind those in flight, or waits for the answer to the oldest one, whatever
    /// comes first. Returns the answer.
    async fn follow(&mut self) -> Option<Landing> {
        let is_followable = self.in_flight.back().is_some_and(|it| it.is_followable);
        let has_room = is_followable && self.in_flight.len() < MAX_IN_FLIGHT;
        let next = self.next.front().filter(|_| has_room);
        if next.is_some_and(|next| self.engine.can_follow(next))
            && let Some(batch) = self.next.pop_front()
        {
            match self.engine.launch_behind(batch).await {
                Ok(flight) => self.in_flight.push_back(flight),
                Err(batch) => self.next.push_front(batch),
            }
            return None;
        }
        let oldest = self.in_flight.front_mut()?;
        if !has_room || !self.next.is_empty() {
            return Some(oldest.land().await);
        }
        match select(pin!(oldest.land()), pin!(self.batches.behind())).await {
            Either::Left((landing, _)) => Some(landing),
            Either::Right((requests, _)) => {
                self.next.push_back(Batch::new(requests));
                None
            }
        }
    }

    async fn land(&mut self, landing: Landing) {
        self.in_flight.pop_front();
        let answered = landing.batch.requests.len();
        let is_written = matches!(landing.written, Ok(true));
        let mut remaining = self.engine.land(landing).await;
        if !is_written {
            while let Some(mut flight) = self.in_flight.pop_front() {
                remaining.push(self.engine.void(flight.land().await));
            }
        }
        for batch in remaining.into_iter().rev().filter(|it| !it.is_empty()) {
            self.next.push_front(batch);
        }
        let in_flight = self.in_flight.iter().map(|flight| flight.len).sum();
        self.batches.on_answered(answered, in_flight);
    }
}
