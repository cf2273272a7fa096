use std::fmt;

use super::{Dispatcher, Inner};
use crate::store::Position;

/// The answer to a probe of an orchestrator or a load balancer: see [`Dispatcher::liveness`] and
/// [`Dispatcher::readiness`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a probe changes nothing"]
pub struct ProbeResult {
    reasons: Vec<String>,
}

impl ProbeResult {
    /// Whether nothing speaks against it.
    pub fn is_ok(&self) -> bool {
        self.reasons.is_empty()
    }

    /// What speaks against it, for operators. Empty if it is ok.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

/// `ok`, or the reasons.
impl fmt::Display for ProbeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ok() {
            return f.write_str("ok");
        }
        f.write_str(&self.reasons.join("; "))
    }
}

impl Dispatcher {
    /// Whether this process can go on. If not, only a restart helps: a task of the dispatcher has ended
    /// before a shutdown, usually because the Tokio runtime that it was built in has ended.
    ///
    /// It reads nothing from a store, and neither an outage of the database, a stopped projection nor a
    /// shutdown makes a process restart.
    pub fn liveness(&self) -> ProbeResult {
        ProbeResult {
            reasons: self.inner.lost_tasks().collect(),
        }
    }

    /// Whether this process is to get requests. It is not if:
    ///
    /// - it is shutting down, or is not [live](Self::liveness)
    /// - it answers queries, and some of them fail with
    ///   [`Rebuilding`](crate::error::QueryErrorKind::Rebuilding)
    /// - it answers queries, and one of their projections has not yet caught up with the log since the
    ///   dispatcher was built, here or in the process that handles it, to within
    ///   [`Builder::ready_lag`](super::Builder::ready_lag)
    /// - the last sign of life to a view store failed. There is one at least every 3 seconds, and one without
    ///   an answer fails after the timeout of the store
    ///
    /// It reads nothing from a store. A projection that has stopped or is paused makes
    /// [`health`](Self::health) not ok, and no process unready: that would take all of them out of service
    /// because of one event.
    pub fn readiness(&self) -> ProbeResult {
        let inner = &self.inner;
        let shutdown = inner
            .lifecycle
            .is_draining()
            .then(|| "it is shutting down, or is shut down".to_owned());
        let stores = inner.store_failures.iter().filter_map(|failure| {
            let error = failure.borrow().clone()?;
            Some(format!("a view store fails: {error}"))
        });
        let head = inner.log.heads().position();
        let missing = inner.catch_up.missing();
        let projections = missing.map(|place| inner.awaited_for_readiness(place, head));
        let unanswered = inner
            .answering
            .iter()
            .enumerate()
            .filter(|(place, _)| !inner.catch_up.missing().any(|missing| missing == *place))
            .filter_map(|(_, answering)| answering.as_ref())
            .filter(|answering| inner.lifecycle.has_queries() && answering.is_partly_unanswered())
            .map(|answering| answering.rebuilding().to_string());
        ProbeResult {
            reasons: shutdown
                .into_iter()
                .chain(inner.lost_tasks())
                .chain(stores)
                .chain(projections)
                .chain(unanswered)
                .collect(),
        }
    }
}

impl Inner {
    /// Why a projection has not been found to be caught up.
    fn awaited_for_readiness(&self, place: usize, head: Position) -> String {
        let own = &self.workers[place];
        let answering = self.answering[place].as_ref();
        let earlier = answering.and_then(|it| it.earlier_progress());
        let (version, progress) = match &earlier {
            Some((version, progress)) => (format!("version {version} of "), progress),
            None => (String::new(), own),
        };
        let is_unanswered = answering.is_some_and(|it| !it.is_settled()) && earlier.is_none();
        let health = progress.health();
        let reason = match health.state.to_string() {
            reason if reason.is_empty() => reason,
            reason => format!(" ({reason})"),
        };
        let (name, at) = (health.name, health.position);
        if is_unanswered && at >= head {
            return format!(
                "projection `{name}` is at the head of the log, position {head}, and waits to become live{reason}"
            );
        }
        if at >= head {
            return format!(
                "{version}projection `{name}` is at the head of the log, position {head}, and is about to be \
                 checked{reason}"
            );
        }
        format!(
            "{version}projection `{name}` has not caught up: it is at position {at} of {head}{reason}"
        )
    }

    /// The tasks that ended before a shutdown, as reasons.
    fn lost_tasks(&self) -> impl Iterator<Item = String> {
        let lost = self.lifecycle.lost_tasks().into_iter();
        lost.map(|name| {
            format!("the task of `{name}` has ended without a shutdown: restart this process")
        })
    }
}
