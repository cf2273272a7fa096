use std::sync::Arc;

use super::inner::Inner;
use crate::error::{Failure, Parked, QueryError};
use crate::store::{EventQuery, ParkedKey, Position, ReadRange, Recorded, Shard, StoreError};
use crate::subscription::Progress;

impl Inner {
    /// Checks that a projection does not leave out events of commands, given by the last event of each.
    ///
    /// If nothing is parked and this process handles the events, nothing is read.
    ///
    /// # Errors
    /// When the id of one of them is parked.
    pub(super) async fn check_parked(
        &self,
        progress: &Progress,
        last_events: &[Position],
    ) -> Result<(), QueryError> {
        let shards = progress.views().view_capabilities().shards;
        // Another program may have parked some.
        let may_be_parked = progress.can_park() || progress.parked() > 0;
        let (true, Some(partition), Some(shards)) = (may_be_parked, progress.partition(), shards)
        else {
            return Ok(());
        };
        if last_events.is_empty() || progress.has_none_parked() {
            return Ok(());
        }
        let subscription = Shard::whole(progress.subscription());
        let parked = shards.parked(subscription).await.map_err(Failure::from)?;
        if parked.is_empty() {
            return Ok(());
        }
        for last in last_events {
            for event in self.events_up_to(*last).await.map_err(Failure::from)? {
                let is_left_out = |key: &ParkedKey| {
                    key.first <= event.position && partition.has(&event, &key.key)
                };
                let tags = &event.data.tags;
                if progress.query().matches(&event.data.event_type, tags)
                    && let Some(key) = parked.iter().find(|key| is_left_out(key))
                {
                    return Err(QueryError::from(Parked {
                        name: progress.name(),
                        partition: partition.tag.to_owned(),
                        key: key.key.clone(),
                        since: key.since,
                        cause: key.cause.clone(),
                    }));
                }
            }
        }
        Ok(())
    }

    /// The events of a command, of which the last one is at this position.
    async fn events_up_to(&self, last: Position) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let range = ReadRange {
            limit: 1,
            up_to: Some(last),
            ..ReadRange::after(last.before())
        };
        let page = self.log.read(EventQuery::All, range).await?;
        let Some(event) = page.events.into_iter().next() else {
            return Ok(Vec::new());
        };
        let command = event.meta.command;
        let stored = self.log.command(command).await?;
        let Some(stored) = stored.filter(|stored| stored.first < last) else {
            return Ok(vec![event]);
        };
        let mut events = Vec::new();
        let mut after = stored.first.before();
        loop {
            let range = ReadRange {
                up_to: Some(last),
                ..ReadRange::after(after)
            };
            let page = self.log.read(EventQuery::All, range).await?;
            let own = page.events.into_iter();
            events.extend(own.filter(|event| event.meta.command == command));
            match page.next {
                Some(next) => after = next,
                None => return Ok(events),
            }
        }
    }
}
