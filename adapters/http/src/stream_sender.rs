use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::request::Parts;
use cqrs_core::Actor;
use futures_util::future::{Either, select};
use tokio::time::{Instant, sleep_until};

use crate::actor::Unauthenticated;
use crate::gateway::Gateway;
use crate::problem::Problem;

/// Interval at which the rights of a stream's sender are looked at again.
const INTERVAL: Duration = Duration::from_secs(5);

/// The sender of a stream, who loses it with the rights to it: when the token expires or is not accepted any more, or when
/// the permission is taken away.
pub(crate) struct StreamSender {
    gateway: Arc<Gateway>,
    head: Parts,
    actor: Option<Actor>,
    source: StreamSource,
    /// The end of its token, by the clock that timers have.
    expiry: Option<(Instant, Unauthenticated)>,
    next_check: Instant,
}

/// What a stream is of.
pub(crate) enum StreamSource {
    /// The query with this name.
    Query(String),
    Log,
}

impl StreamSender {
    /// The sender of this request, if it may have the stream.
    pub(crate) async fn admit(
        gateway: &Arc<Gateway>,
        head: Parts,
        source: StreamSource,
    ) -> Result<Self, Problem> {
        let now = Instant::now();
        let sender = gateway.sender(&head).await?;
        let expiry = sender.expiry.and_then(|expiry| {
            let left = expiry.time.duration_since(SystemTime::now());
            let time = now.checked_add(left.unwrap_or_default())?;
            Some((time, expiry.refusal))
        });
        let mut admitted = Self {
            gateway: gateway.clone(),
            head,
            actor: sender.actor,
            source,
            expiry,
            next_check: now,
        };
        admitted.permit()?;
        admitted.set_next_check();
        Ok(admitted)
    }

    pub(crate) fn actor(&self) -> Option<&Actor> {
        self.actor.as_ref()
    }

    pub(crate) fn head(&self) -> &Parts {
        &self.head
    }

    /// The next part of the stream, or the reason why there is none for this sender.
    pub(crate) async fn next<T>(&mut self, part: impl Future<Output = T>) -> Result<T, Problem> {
        // It goes on over several checks, since a query may take longer.
        let mut part = pin!(part);
        loop {
            // The check comes first, even if there is always a next part.
            let due = pin!(sleep_until(self.next_check));
            match select(due, part.as_mut()).await {
                Either::Left(_) => self.check().await?,
                Either::Right((part, _)) => return Ok(part),
            }
        }
    }

    async fn check(&mut self) -> Result<(), Problem> {
        if let Some((time, refusal)) = &self.expiry
            && *time <= Instant::now()
        {
            return Err(refusal.clone().into());
        }
        let sender = self.gateway.sender(&self.head).await?;
        if sender.actor != self.actor {
            return Err(Unauthenticated {
                reason: "the sender is known by other rights now: connect again".to_owned(),
                challenge: "Bearer",
            }
            .into());
        }
        self.permit()?;
        self.set_next_check();
        Ok(())
    }

    fn permit(&self) -> Result<(), Problem> {
        match &self.source {
            StreamSource::Query(name) => self.gateway.permit_query(name, self.actor()),
            StreamSource::Log => self.gateway.permit_log(self.actor()),
        }
    }

    fn set_next_check(&mut self) {
        let regular = Instant::now() + INTERVAL;
        let expiry = self.expiry.as_ref();
        self.next_check = expiry.map_or(regular, |(time, _)| regular.min(*time));
    }
}
