use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::time::Duration;

use cqrs_core::store::{AppendError, AppendToken};
use cqrs_kit::batch::BatchBuilder;
use cqrs_kit::options::WriterOptions;
use tokio::time::{Instant, sleep_until};

use super::batch::Batch;
use super::request::Request;

/// Time between two looks at the leases. The end of one is not announced.
const PAUSE: Duration = Duration::from_millis(5);

/// Requests that wait for leases of other processes, and those that follow them. They have left their
/// batches, so that no other request waits with them.
///
/// Invariant: a request that follows one of these is behind it.
pub(super) struct LeaseWaits {
    requests: VecDeque<Request>,
    /// When their leases are looked at.
    until: Option<Instant>,
    max_batch: usize,
    /// Maximum number of requests.
    capacity: usize,
}

impl LeaseWaits {
    pub(super) fn new(options: &WriterOptions) -> Self {
        Self {
            requests: VecDeque::new(),
            until: None,
            max_batch: options.max_batch(),
            capacity: options.queue(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Takes the requests that wait out of an answered batch.
    pub(super) fn take_waiting(&mut self, batch: &mut Batch) {
        let waiting = batch.requests.extract_if(.., |it| it.waits_for_lease());
        // Requests that were tried together with these may be followed by some that are here still.
        for request in waiting.collect::<Vec<_>>().into_iter().rev() {
            self.requests.push_front(request);
        }
        self.limit();
    }

    /// Takes the requests that follow one of these out of a batch that is to be sent.
    pub(super) fn take_followers(&mut self, batch: &mut Batch) {
        if self.requests.is_empty() {
            return;
        }
        let mut tokens = self.tokens();
        let followers = batch.requests.extract_if(.., |it| {
            let is_follower = it.follows(&tokens);
            if is_follower {
                tokens.extend(it.append.token());
            }
            is_follower
        });
        self.requests.extend(followers);
        self.limit();
    }

    /// Whether their leases are to be looked at.
    pub(super) fn are_due(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// The requests that do not wait for others of these.
    pub(super) fn first_waiting(&self) -> impl Iterator<Item = &Request> {
        let tokens = self.tokens();
        let requests = self.requests.iter();
        requests.filter(move |request| !request.follows(&tokens))
    }

    /// Lets them wait once more.
    pub(super) fn wait_again(&mut self) {
        self.until = Some(Instant::now() + PAUSE);
    }

    /// Waits until the leases are to be looked at. Never, if there are no requests.
    pub(super) async fn ended(&self) {
        match self.until {
            Some(until) => sleep_until(until).await,
            None => pending().await,
        }
    }

    /// Adds the requests to the batches that are to be sent. Those that follow
    /// one of them may be in these batches already, and are put behind it. Those that they follow may be
    /// there, too, and stay ahead.
    pub(super) fn release_to(&mut self, next: &mut VecDeque<Batch>) {
        for batch in &mut *next {
            self.take_followers(batch);
        }
        self.until = None;
        while !self.requests.is_empty() {
            let mut batch = BatchBuilder::new(self.max_batch);
            batch.take_waiting(|| self.requests.pop_front().map(Request::retried));
            next.push_back(Batch::new(batch.into_requests()));
        }
    }

    fn tokens(&self) -> BTreeSet<AppendToken> {
        let requests = self.requests.iter();
        requests.filter_map(|it| it.append.token()).collect()
    }

    /// Sets the time of the next look, and answers the last requests if there are too many.
    fn limit(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        self.until.get_or_insert_with(|| Instant::now() + PAUSE);
        let waiting = self.capacity;
        for request in self.requests.drain(waiting.min(self.requests.len())..) {
            request.answer(Err(AppendError::Overloaded { waiting }));
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_core::store::{Append, Boundary, EventQuery};
    use cqrs_core::{CommandId, Position};

    use super::*;

    /// A request with this token, which may follow the one with the other token.
    fn request(token: AppendToken, followed: Option<AppendToken>) -> Request {
        let mut append = Append::new(CommandId::new(), Vec::new()).token(token);
        if let Some(followed) = followed {
            let boundary = Boundary::new(EventQuery::All, Position::START);
            append = append.boundary(boundary.after_append(followed));
        }
        let (request, _) = Request::new(append).expect("it has JSON");
        request
    }

    /// They arrive while nobody looks whether the wait is over.
    #[tokio::test]
    async fn a_request_is_released_behind_those_that_it_follows_and_ahead_of_those_that_follow_it()
    {
        let mut waits = LeaseWaits::new(&WriterOptions::default());
        let [first, second, third, other] = [(); 4].map(|()| AppendToken::new());
        let mut waiting = request(second, Some(first));
        waiting.wait_for_lease();
        waits.take_waiting(&mut Batch::new(vec![waiting]));
        assert!(!waits.are_due());
        let mut next = VecDeque::from([
            Batch::new(vec![request(first, None)]),
            Batch::new(vec![request(third, Some(second)), request(other, None)]),
        ]);
        waits.ended().await;
        assert!(waits.are_due());
        waits.release_to(&mut next);
        assert!(waits.is_empty());
        let released: Vec<_> = next.into_iter().flat_map(|batch| batch.requests).collect();
        assert!(!released.iter().any(Request::waits_for_lease));
        let order: Vec<_> = released.iter().filter_map(|it| it.append.token()).collect();
        assert_eq!(order, [first, other, second, third]);
    }

    #[tokio::test]
    async fn the_leases_of_requests_that_follow_others_are_not_looked_at() {
        let mut waits = LeaseWaits::new(&WriterOptions::default());
        let [first, second] = [(); 2].map(|()| AppendToken::new());
        let waiting = [request(first, None), request(second, Some(first))];
        let waiting = waiting.map(|mut it| {
            it.wait_for_lease();
            it
        });
        waits.take_waiting(&mut Batch::new(waiting.into()));
        let looked_at = waits.first_waiting().filter_map(|it| it.append.token());
        assert_eq!(looked_at.collect::<Vec<_>>(), [first]);
        waits.ended().await;
        waits.wait_again();
        assert!(!waits.are_due());
    }
}
