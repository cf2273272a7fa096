use std::collections::BTreeSet;

use super::manager::{MANAGER, SCHEDULED};
use crate::ScheduleId;
use crate::auth::{Action, Actor};
use crate::dispatcher::Inner;
use crate::error::{Failure, QueryError};
use crate::store::{EventQuery, Events, Position, ReadRange, ShardState, StoreError};

impl Inner {
    /// The ids of scheduled commands that are not carried out, in order, after one of them.
    pub(crate) async fn scheduled_ids(
        &self,
        after: Option<ScheduleId>,
        actor: Option<&Actor>,
    ) -> Result<Vec<ScheduleId>, QueryError> {
        self.permit(Action::Read, MANAGER.name, self.log_permission, actor)??;
        self.check_schedules()?;
        let after = after.map(|id| id.to_string());
        // Before the instances: what is handled meanwhile is among them.
        let handled = self.schedules_handled().await.map_err(Failure::from)?;
        let read = self.instances(&MANAGER)?.keys_after(after.clone()).await;
        let page = read.map_err(Failure::from)?;
        let last = page.keys.last().filter(|_| page.has_more).cloned();
        let mut ids: BTreeSet<String> = page.keys.into_iter().collect();
        let range = ReadRange::after(handled);
        let mut unhandled = Events::read(&*self.log, EventQuery::typed([SCHEDULED]), range);
        while let Some(event) = unhandled.next().await.map_err(Failure::from)? {
            let mut tags = event.data.tags.iter();
            let tag = tags.find(|tag| tag.name() == MANAGER.key);
            let id = tag.map(|tag| tag.id().to_owned());
            ids.extend(id.filter(|id| {
                after.as_ref().is_none_or(|after| id > after)
                    && last.as_ref().is_none_or(|last| id < last)
            }));
        }
        // An id that is none was not made by `schedule`, and cannot be looked at.
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// The position up to which all scheduled commands have an instance.
    async fn schedules_handled(&self) -> Result<Position, StoreError> {
        let main = self.stores.views.main.as_deref();
        let Some(shards) = main.and_then(|views| views.view_capabilities().shards) else {
            return Ok(Position::START);
        };
        let stored = shards.shards(MANAGER.subscription()).await?;
        let positions = stored.iter().map(ShardState::position);
        Ok(positions.min().unwrap_or_default())
    }
}
