use std::borrow::Borrow;
use std::collections::HashMap;

use cqrs_core::Position;
use cqrs_core::store::{
    AppendError, Boundary, BoundaryCheck, ConflictWindow, Incarnation, StateKey,
};

use super::request::Request;
use super::session::Session;
use crate::fault::Fault;
use crate::link::connection::Connection;

/// What requests are decided against: the log up to `head`, and in the window its recent events
/// and those that are about to be written.
pub(crate) struct Known<'w> {
    pub(crate) incarnation: Incarnation,
    pub(crate) head: Position,
    pub(crate) window: &'w ConflictWindow,
}

impl Known<'_> {
    /// What speaks against the request, if anything does. `states` are the positions of the states
    /// that it writes.
    pub(crate) async fn refusal<C: Borrow<Connection> + Sync>(
        &self,
        session: &Session<C>,
        request: &Request,
        states: &HashMap<StateKey, Position>,
    ) -> Result<Option<AppendError>, Fault> {
        for boundary in &request.boundaries {
            if boundary.incarnation != self.incarnation || boundary.after > self.head {
                return Ok(Some(AppendError::Rewound {
                    head: self.head,
                    seen: boundary.after,
                }));
            }
            if let Some(at) = self.conflict(session, boundary).await? {
                return Ok(Some(AppendError::Conflict { at }));
            }
        }
        for write in &request.states {
            let stored = states.get(&write.key).copied();
            if stored != write.based_on {
                return Ok(Some(AppendError::Conflict {
                    at: stored.unwrap_or_default(),
                }));
            }
        }
        Ok(None)
    }

    async fn conflict<C: Borrow<Connection> + Sync>(
        &self,
        session: &Session<C>,
        boundary: &Boundary,
    ) -> Result<Option<Position>, Fault> {
        match self.window.decide(boundary) {
            BoundaryCheck::Holds => Ok(None),
            BoundaryCheck::Conflict(at) => Ok(Some(at)),
            BoundaryCheck::Unknown(after) => {
                let query = &boundary.fail_if;
                let found = session.first_match(query, after, self.head);
                let found = found.await?;
                // What the batch is about to write is nowhere but in the window.
                let since = Boundary::new(query.clone(), self.head);
                let beside = match self.window.decide(&since) {
                    BoundaryCheck::Conflict(at) => Some(at),
                    BoundaryCheck::Holds | BoundaryCheck::Unknown(_) => None,
                };
                Ok(found.or(beside))
            }
        }
    }
}
