use std::borrow::Borrow;
use std::collections::HashMap;

use cqrs_core::Position;
use cqrs_core::store::{AppendError, StateKey};
use cqrs_kit::decider::{Decider, Question};
use cqrs_kit::prepared::Prepared;

use super::log_session::LogSession;
use crate::fault::Fault;
use crate::link::connection::Connection;

/// Decides an append. Returns the refusal, or `None` if it may be written. `states` has the positions
/// of the stored states that the batch writes, including those that are about to be written.
pub(crate) async fn refusal<C: Borrow<Connection> + Sync>(
    decider: Decider<'_>,
    session: &LogSession<C>,
    append: &Prepared,
    states: &HashMap<StateKey, Position>,
) -> Result<Option<AppendError>, Fault> {
    let open = match decider.check(&append.boundaries, &append.states) {
        Ok(open) => open,
        Err(refusal) => return Ok(Some(refusal)),
    };
    // Memory could not decide these. The answers stay true until the append is written: either the
    // head is locked, or the compare-and-set fails if an event was recorded since.
    for question in open {
        let answer = match question {
            Question::Match {
                fail_if,
                after,
                up_to,
            } => session.first_match(fail_if, after, up_to).await?,
            Question::State(write) => states.get(&write.key).copied(),
        };
        if let Err(refusal) = question.settle(answer) {
            return Ok(Some(refusal));
        }
    }
    Ok(None)
}
