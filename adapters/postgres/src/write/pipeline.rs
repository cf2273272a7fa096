use std::collections::VecDeque;
use std::pin::pin;

use cqrs_kit::batch::{Batches, MAX_IN_FLIGHT};
use futures_util::future::{Either, select};

use super::batch::Batch;
use super::engine::Engine;
use super::flight::{Flight, Landing};
use super::lease_waits::LeaseWaits;
use super::lock_waits::LockWaits;
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
    /// Requests that have left their batches to wait for a lock.
    lock_waits: LockWaits,
    /// Requests that have left their batches to wait for a lease of another process.
    lease_waits: LeaseWaits,
}

impl Pipeline {
    pub(super) fn new(
        engine: Engine,
        batches: Batches<Request>,
        lock_waits: LockWaits,
        lease_waits: LeaseWaits,
    ) -> Self {
        Self {
            engine,
            batches,
            next: VecDeque::new(),
            in_flight: VecDeque::new(),
            lock_waits,
            lease_waits,
        }
    }

    /// Writes what comes from the queue. Returns when the queue is closed and all of it is answered.
    pub(super) async fn run(mut self) {
        loop {
            if !self.lock_waits.is_empty() {
                let ended = self.lock_waits.take_ended();
                self.add_next(ended);
            }
            if self.lease_waits.are_due() {
                self.try_waiting().await;
            }
            if !self.in_flight.is_empty() {
                if let Some(landing) = self.follow().await {
                    self.land(landing).await;
                }
            } else if let Some(batch) = self.pop_next() {
                self.in_flight.extend(self.engine.launch(batch).await);
            } else if let Some(requests) = self.first().await {
                self.add_next(requests);
            } else {
                return;
            }
        }
    }

    /// Tries the requests again that wait for leases, unless all of these last.
    async fn try_waiting(&mut self) {
        // Boxed, since the future of the pipeline would have room for it all the time.
        let held = Box::pin(self.engine.are_held(self.lease_waits.first_waiting()));
        if held.await {
            self.lease_waits.wait_again();
        } else {
            self.lease_waits.release_to(&mut self.next);
        }
    }

    /// Waits for requests of the queue, or for some that have waited for a lock or a lease. `None` once the
    /// queue is closed and no request waits.
    async fn first(&mut self) -> Option<Vec<Request>> {
        let is_contended = self.engine.is_contended();
        let queue = async {
            if is_contended {
                self.batches.only().await
            } else {
                self.batches.first().await
            }
        };
        if self.lock_waits.is_empty() && self.lease_waits.is_empty() {
            return queue.await;
        }
        let locks = pin!(self.lock_waits.ended());
        // `run` takes the requests that have waited for a lease.
        let leases = pin!(async {
            self.lease_waits.ended().await;
            Vec::new()
        });
        let mut ended = select(locks, leases);
        match select(pin!(queue), &mut ended).await {
            Either::Left((Some(requests), _)) => Some(requests),
            Either::Left((None, _)) => Some(ended.await.factor_first().0),
            Either::Right((ended, _)) => Some(ended.factor_first().0),
        }
    }

    fn add_next(&mut self, requests: Vec<Request>) {
        if !requests.is_empty() {
            self.next.push_back(Batch::new(requests));
        }
    }

    fn pop_next(&mut self) -> Option<Batch> {
        loop {
            let mut batch = self.next.pop_front()?;
            self.lease_waits.take_followers(&mut batch);
            if !batch.is_empty() {
                batch.is_lock_known = !self.lock_waits.is_empty();
                return Some(batch);
            }
        }
    }

    /// Sends another batch behind those in flight, or waits for the answer to the oldest one, whatever
    /// comes first. Returns the answer.
    async fn follow(&mut self) -> Option<Landing> {
        let is_followable = self.in_flight.back().is_some_and(|it| it.is_followable);
        // A batch may follow requests that wait for a lease. It is then shortened, and looked at again.
        let has_room =
            is_followable && self.lease_waits.is_empty() && self.in_flight.len() < MAX_IN_FLIGHT;
        let next = self.next.front().filter(|_| has_room);
        if next.is_some_and(|next| self.engine.can_follow(next))
            && let Some(batch) = self.pop_next()
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
        for mut batch in remaining.into_iter().rev() {
            self.lease_waits.take_waiting(&mut batch);
            if batch.is_empty() {
                continue;
            }
            if batch.is_blocked() {
                batch
                    .requests
                    .into_iter()
                    .for_each(|request| self.lock_waits.add(request));
            } else {
                self.next.push_front(batch);
            }
        }
        let in_flight = self.in_flight.iter().map(|flight| flight.len).sum();
        self.batches.on_answered(answered, in_flight);
    }
}
