use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::http::request::Parts;
use cqrs_core::Actor;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use lru::LruCache;
use tokio::time::Instant;

use crate::problem::Problem;

/// Maximum number of senders whose requests are counted, those who have sent something last. Further ones begin anew.
const MAX_SENDERS: NonZeroUsize = NonZeroUsize::new(65_536).expect("some");

/// The rate at which each sender may send requests.
pub(crate) struct RateLimit {
    quota: Quota,
    clock: Elapsed,
    senders: Mutex<LruCache<u64, SenderRate>>,
    /// Names may be long, and nobody is to choose one that counts as another.
    hashes: RandomState,
}

type SenderRate = RateLimiter<NotKeyed, InMemoryState, Elapsed, NoOpMiddleware<Duration>>;

/// The sender of a request, as it is counted.
#[derive(Hash)]
enum Counted<'r> {
    Actor(&'r str),
    Address(IpAddr),
    /// All of whom nothing is known.
    Others,
}

/// The time since the limit was set.
#[derive(Clone, Copy)]
struct Elapsed(Instant);

impl Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl RateLimit {
    /// `None` for a rate without a limit: so many requests in so short a time that they have no distance.
    pub(crate) fn new(requests: NonZeroU32, period: Duration) -> Option<Self> {
        let distance = period.checked_div(requests.get())?;
        Some(Self {
            quota: Quota::with_period(distance)?.allow_burst(requests),
            clock: Elapsed(Instant::now()),
            senders: Mutex::new(LruCache::new(MAX_SENDERS)),
            hashes: RandomState::new(),
        })
    }

    /// Counts a request of an actor, or if there is none, of the address that it comes from.
    pub(crate) fn count(&self, actor: Option<&Actor>, head: &Parts) -> Result<(), Problem> {
        let peer = head.extensions.get::<ConnectInfo<SocketAddr>>();
        let sender = match (actor, peer) {
            (Some(actor), _) => Counted::Actor(actor.name()),
            (None, Some(ConnectInfo(address))) => Counted::Address(network(address.ip())),
            (None, None) => Counted::Others,
        };
        let hash = self.hashes.hash_one(&sender);
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = senders.get_or_insert(hash, || {
            RateLimiter::direct_with_clock(self.quota, self.clock)
        });
        let Err(refused) = rate.check() else {
            return Ok(());
        };
        let wait = refused.wait_time_from(self.clock.now());
        let detail = "the sender has sent too many requests";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail);
        Err(problem.retry_after(rounded_up(wait)))
    }
}

/// At least one second: at zero, everybody would come again at once.
fn rounded_up(wait: Duration) -> u64 {
    let has_rest = wait.subsec_nanos() > 0;
    wait.as_secs().saturating_add(has_rest.into()).max(1)
}

/// What one sender has: of version 6, it has a network of addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            Ipv6Addr::from_bits(network).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use axum::http::header::RETRY_AFTER;
    use axum::response::IntoResponse;
    use tokio::time::advance;

    use super::*;

    fn rate(requests: u32, period: Duration) -> RateLimit {
        let requests = NonZeroU32::new(requests).expect("some");
        RateLimit::new(requests, period).expect("a limit")
    }

    fn head(peer: Option<&str>) -> Parts {
        let mut head = Request::new(()).into_parts().0;
        if let Some(peer) = peer {
            let peer: SocketAddr = peer.parse().expect("an address");
            head.extensions.insert(ConnectInfo(peer));
        }
        head
    }

    /// The seconds after which a sender is to come again. `None` if the request is within the rate.
    fn wait(rate: &RateLimit, actor: Option<&str>, peer: Option<&str>) -> Option<u64> {
        let actor = actor.map(Actor::new);
        let problem = rate.count(actor.as_ref(), &head(peer)).err()?;
        assert_eq!(problem.kind(), "urn:cqrs:problem:too-many-requests");
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let seconds = response.headers()[RETRY_AFTER].to_str().expect("a text");
        Some(seconds.parse().expect("a number"))
    }

    #[tokio::test(start_paused = true)]
    async fn requests_come_back_as_time_goes_by() {
        let rate = rate(3, Duration::from_secs(60));
        let ann = || wait(&rate, Some("ann"), None);
        assert_eq!([ann(), ann(), ann()], [None; 3]);
        assert_eq!(ann(), Some(20));
        advance(Duration::from_millis(19_500)).await;
        assert_eq!(ann(), Some(1));
        advance(Duration::from_millis(500)).await;
        assert_eq!([ann(), ann()], [None, Some(20)]);
        // No more than the limit is saved up.
        advance(Duration::from_secs(3600)).await;
        assert_eq!([ann(), ann(), ann(), ann()], [None, None, None, Some(20)]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_sender_has_a_rate() {
        let rate = rate(1, Duration::from_secs(60));
        let count = |actor, peer| wait(&rate, actor, peer).is_none();
        assert!(count(Some("ann"), Some("10.0.0.1:1000")));
        assert!(count(Some("bob"), Some("10.0.0.1:1000")));
        assert!(
            !count(Some("ann"), Some("10.0.0.2:1000")),
            "it is the same actor"
        );
        assert!(count(None, Some("10.0.0.1:1000")), "an address is no actor");
        assert!(
            !count(None, Some("10.0.0.1:2000")),
            "it is the same address"
        );
        assert!(
            !count(None, Some("[::ffff:10.0.0.1]:2000")),
            "it is the same"
        );
        assert!(count(None, Some("[2001:db8:0:1::1]:1")));
        assert!(
            !count(None, Some("[2001:db8:0:1:ffff::2]:1")),
            "the network is the same"
        );
        assert!(count(None, Some("[2001:db8:0:2::1]:1")));
        assert!(count(None, None));
        assert!(!count(None, None), "they are the same");
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_senders_in_memory_is_limited() {
        let rate = rate(1, Duration::from_secs(60));
        let head = head(None);
        for name in 0..=MAX_SENDERS.get() {
            let actor = Actor::new(name.to_string());
            assert!(rate.count(Some(&actor), &head).is_ok());
        }
        let len = rate.senders.lock().expect("no panic").len();
        assert_eq!(len, MAX_SENDERS.get());
        let last = Actor::new(MAX_SENDERS.to_string());
        assert!(rate.count(Some(&last), &head).is_err());
    }

    #[tokio::test]
    async fn a_rate_without_a_distance_is_none() {
        let requests = NonZeroU32::new(1000).expect("some");
        assert!(RateLimit::new(requests, Duration::from_nanos(999)).is_none());
        assert!(RateLimit::new(requests, Duration::ZERO).is_none());
        assert!(RateLimit::new(requests, Duration::from_micros(1)).is_some());
    }
}
