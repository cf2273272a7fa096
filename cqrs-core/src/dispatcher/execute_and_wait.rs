use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::inner::Inner;
use super::query::confirm;
use super::wanted::Wanted;
use super::{ExecuteCall, Receipt, WaitError};
use crate::error::{CommandError, Failure, QueryError};
use crate::handler::Projection;
use crate::source::Source;
use crate::store::{BoxFuture, ViewStore};
use crate::wiring::is_same;

/// A command about to be sent, after which the call waits for projections. Created by
/// [`ExecuteCall::and_wait_for`]; `.await` sends the command.
///
/// If the future is dropped while it waits, the command stays carried out.
#[must_use = "a command is sent when the call is awaited"]
pub struct ExecuteAndWaitCall<'d, C> {
    call: ExecuteCall<'d, C>,
    projections: Vec<AwaitedProjection>,
    max_wait: Option<Duration>,
}

/// A projection, by its declaration.
#[derive(Clone, Copy)]
struct AwaitedProjection {
    name: &'static str,
    declared_at: Source,
}

impl<'d, C> ExecuteAndWaitCall<'d, C> {
    pub(super) fn new(call: ExecuteCall<'d, C>) -> Self {
        Self {
            call,
            projections: Vec::new(),
            max_wait: None,
        }
    }

    /// Waits for another projection, too.
    pub fn and_wait_for<P: Projection>(mut self) -> Self {
        self.projections.push(AwaitedProjection {
            name: P::NAME,
            declared_at: P::SOURCE,
        });
        self
    }

    /// Sets the maximum time to wait, once the command is carried out. Defaults to
    /// [`Builder::max_wait`](super::Builder::max_wait).
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = Some(wait);
        self
    }
}

impl<'d, C, E> IntoFuture for ExecuteAndWaitCall<'d, C>
where
    C: Send + 'd,
    E: Send + 'd,
    ExecuteCall<'d, C>: IntoFuture<
            Output = Result<Receipt, CommandError<E>>,
            IntoFuture = BoxFuture<'d, Result<Receipt, CommandError<E>>>,
        >,
{
    type Output = Result<Receipt, WaitError<E>>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            call,
            projections,
            max_wait,
        } = self;
        Box::pin(async move {
            let inner = &call.dispatcher.inner;
            // Before the command is sent: without the projection, its effect could not be shown.
            let places = inner
                .places(&projections)
                .map_err(CommandError::<E>::Failed)?;
            let receipt = call.await?;
            match inner
                .wait_for_projections(&places, &receipt, max_wait)
                .await
            {
                Ok(()) => Ok(receipt),
                Err(error) => Err(WaitError::Recorded { receipt, error }),
            }
        })
    }
}

impl Inner {
    /// The places of these projections in [`Inner::workers`].
    fn places(&self, projections: &[AwaitedProjection]) -> Result<Vec<usize>, Failure> {
        let places = projections.iter().map(|projection| {
            let AwaitedProjection { name, declared_at } = *projection;
            let mut known = self.projections.iter();
            let place = known.position(|entry| entry.source == declared_at);
            place.ok_or(Failure::NoProjection { name, declared_at })
        });
        places.collect()
    }

    async fn wait_for_projections(
        &self,
        places: &[usize],
        receipt: &Receipt,
        max_wait: Option<Duration>,
    ) -> Result<(), QueryError> {
        let mut stores: Vec<Arc<dyn ViewStore>> = Vec::new();
        for place in places {
            let store = self.workers[*place].views();
            if !stores.iter().any(|known| is_same(known, store)) {
                stores.push(store.clone());
            }
        }
        let started = Instant::now();
        let max_wait = max_wait.unwrap_or(self.limits.wait);
        let left = || max_wait.saturating_sub(started.elapsed());
        let mut projections = Vec::with_capacity(places.len());
        for place in places {
            projections.push(self.answering_progress(*place, left()).await?);
        }
        let mut wanted = Wanted::default();
        wanted.add(receipt.bookmark());
        loop {
            let waits = (left(), max_wait);
            let reached = self.reach(&projections, &stores, &wanted, waits).await?;
            match confirm(projections.iter().zip(&reached.known), ()) {
                Err(_) if !left().is_zero() => {}
                confirmed => return confirmed,
            }
        }
    }
}
