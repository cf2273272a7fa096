use std::any::TypeId;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::answering::{Answering, AnsweringVersion, EarlierVersion, any_change};
use super::inner::{Inner, QuerySlot};
use super::query::{QueryWait, Reached};
use super::wanted::Wanted;
use crate::error::{Failure, QueryError, Rebuilding};
use crate::handler::{Context, QueryInputs, QueryScope};
use crate::store::{Incarnation, Position};
use crate::subscription::{Progress, unless};

/// The projections that a query reads, each in the version that answers.
pub(super) struct QuerySources {
    /// In the order of [`QuerySlot::reads`].
    pub(super) progress: Vec<Progress>,
    /// In place of the slot's inputs, if an earlier version answers.
    inputs: Option<QueryInputs>,
    /// Those that may change.
    changes: Vec<watch::Receiver<Answering>>,
}

/// A projection that a query reads, whose own version did not answer queries when the dispatcher was built.
pub(crate) struct BuildingRead {
    pub(super) answering: Arc<AnsweringVersion>,
    /// The place in [`QuerySlot::reads`].
    pub(super) place: usize,
    /// The places of the inputs that are read models of the projection, with their types.
    pub(super) models: Vec<(usize, TypeId)>,
    /// Whether it is read otherwise, too: with SQL, or a view store's own reader.
    pub(super) is_read_otherwise: bool,
}

/// The sources that a query has waited for.
#[must_use = "a loss of views is noticed by `confirm`"]
pub(super) struct AwaitedSources {
    pub(super) sources: QuerySources,
    /// The incarnation of the store of each of them by then. None, if nothing was waited for.
    pub(super) known: Vec<Incarnation>,
    /// The position of the one that is behind the others, before the wait until it is visible.
    pub(super) position: Option<Position>,
}

impl BuildingRead {
    /// Whether all that the query reads of the projection is in another version, too.
    fn is_answered_by(&self, earlier: &EarlierVersion) -> bool {
        let mut models = self.models.iter();
        !self.is_read_otherwise && models.all(|(_, model)| earlier.schema(*model).is_some())
    }
}

impl QuerySources {
    /// Whether another version of a projection may answer later.
    pub(super) fn may_change(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Completes when another version answers.
    pub(super) async fn changed(&self) {
        any_change(&self.changes).await;
    }

    /// The source of the handler's inputs.
    pub(super) fn scope<'a>(
        &'a self,
        slot: &'a QuerySlot,
        context: Option<&'a Context>,
    ) -> QueryScope<'a> {
        QueryScope {
            inputs: self.inputs.as_ref().unwrap_or(&slot.inputs),
            context,
        }
    }
}

impl QuerySlot {
    /// Whether each projection that the query reads answers in the program's own version.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        // Of most queries nothing is being built, so that their calls do not have the loop.
        self.building.is_empty() || self.are_built()
    }

    #[cold]
    fn are_built(&self) -> bool {
        self.building.iter().all(|it| it.answering.is_settled())
    }

    /// Completes when another version of a projection answers.
    async fn changed(&self) {
        let building = self.building.iter();
        let changes: Vec<_> = building.map(|it| it.answering.answering()).collect();
        any_change(&changes).await;
    }
}

impl Inner {
    /// The versions that answer a query.
    ///
    /// # Errors
    /// When a projection has none.
    pub(super) fn sources(&self, slot: &QuerySlot) -> Result<QuerySources, Rebuilding> {
        let own = slot.reads.iter().map(|place| self.workers[*place].clone());
        let mut sources = QuerySources {
            progress: own.collect(),
            inputs: None,
            changes: Vec::new(),
        };
        for read in &slot.building {
            // Before the version is read, so that no change is missed.
            let mut changes = read.answering.answering();
            let answering = changes.borrow_and_update().clone();
            match answering {
                Answering::Own => continue,
                Answering::Earlier(earlier) if read.is_answered_by(&earlier) => {
                    sources.progress[read.place] = earlier.progress.clone();
                    let inputs = sources.inputs.get_or_insert_with(|| slot.inputs.clone());
                    for (place, model) in &read.models {
                        if let (Some(input), Some(schema)) =
                            (&mut inputs.models[*place], earlier.schema(*model))
                        {
                            input.1 = schema.clone();
                        }
                    }
                }
                Answering::Earlier(_) | Answering::None => {
                    return Err(read.answering.rebuilding());
                }
            }
            sources.changes.push(changes);
        }
        Ok(sources)
    }

    /// Waits until the sources of a query have these events, and the stores show it to queries, with all that
    /// was committed before. If another version answers meanwhile, waits for that.
    pub(super) async fn wait_for_sources(
        &self,
        slot: &QuerySlot,
        wanted: &Wanted,
        wait: &QueryWait,
    ) -> Result<AwaitedSources, QueryError> {
        loop {
            let left = wait.left();
            let sources = match self.sources(slot) {
                Ok(sources) => sources,
                Err(rebuilding) => {
                    // It may be complete in a moment, and will not be after a shutdown.
                    let changed = timeout(left, slot.changed());
                    match unless(self.lifecycle.draining(), changed).await {
                        Some(Ok(())) => continue,
                        Some(Err(_)) => return Err(rebuilding.into()),
                        None => return Err(Failure::ShutDown.into()),
                    }
                }
            };
            let limits = (left, wait.longest());
            let reached = self.reach(&sources.progress, &slot.stores, wanted, limits);
            if let Some(reached) = unless(sources.changed(), reached).await {
                let Reached { known, position } = reached?;
                return Ok(AwaitedSources {
                    known,
                    sources,
                    position: Some(position),
                });
            }
        }
    }

    /// The progress of the version of a projection that answers queries of all its read models. Waits until
    /// there is one, for at most this time.
    ///
    /// # Errors
    /// When there is none, or a shutdown begins before there is.
    pub(super) async fn answering_progress(
        &self,
        place: usize,
        max_wait: Duration,
    ) -> Result<Progress, QueryError> {
        let started = Instant::now();
        loop {
            let Some(answering) = &self.answering[place] else {
                return Ok(self.workers[place].clone());
            };
            let mut changes = answering.answering();
            let answer = changes.borrow_and_update().clone();
            match answer {
                Answering::Own => return Ok(self.workers[place].clone()),
                Answering::Earlier(earlier) if earlier.has_all_of(answering) => {
                    return Ok(earlier.progress.clone());
                }
                Answering::Earlier(_) | Answering::None => {
                    let left = max_wait.saturating_sub(started.elapsed());
                    let found = timeout(left, changes.changed());
                    match unless(self.lifecycle.draining(), found).await {
                        Some(Ok(_)) => {}
                        Some(Err(_)) => return Err(answering.rebuilding().into()),
                        None => return Err(Failure::ShutDown.into()),
                    }
                }
            }
        }
    }
}

impl AwaitedSources {
    /// Whether [`confirm`](Self::confirm) may find a loss.
    pub(super) fn may_be_lost(&self) -> bool {
        !self.known.is_empty()
    }

    /// Returns the answer, unless a store has lost commits since the wait: the handler may have read
    /// views as they were before.
    pub(super) fn confirm<A>(self, answer: A) -> Result<A, QueryError> {
        super::query::confirm(self.sources.progress.iter().zip(&self.known), answer)
    }
}
