use cqrs_core::{Position, Timestamp};
use cqrs_kit::prepared::Prepared;
use futures_util::future::join;
use tokio_postgres::Statement;
use uuid::Uuid;

use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::row::Head;
use crate::transaction::head_lock::HeadLockPermit;
use crate::transaction::outcome::AppendOutcome;
use crate::write::log_session::LogSession;
use crate::write::rows::{AppendStatement, BatchRows, KnownBlocks};

/// Goes on with a transaction whose commit did not find the head that it was to follow.
pub(super) const RESUME: &str = "ROLLBACK TO SAVEPOINT cqrs_append";

/// The end of a handler's transaction: the rows of the append, the commit, and a second one that waits for the
/// disk, in one round trip (decision 0035).
pub(super) struct Commit<'a> {
    pub(super) session: &'a LogSession<&'a Connection>,
    pub(super) statement: (AppendStatement, &'a Statement),
    /// The head that the append follows.
    pub(super) head: Head,
    /// The transaction has locked it. Otherwise, it is compared.
    pub(super) is_locked: bool,
}

impl Commit<'_> {
    /// `None` if the head is another one: then nothing was written or committed.
    pub(super) async fn send(
        &self,
        append: &mut Prepared,
        mut permit: Option<HeadLockPermit<'_>>,
    ) -> Result<Option<AppendOutcome>, Fault> {
        let Self { session, head, .. } = self;
        let client = session.client();
        let appended = append.place(head.position, head.time)?;
        let id = Uuid::new_v4();
        let mut rows = BatchRows::new(head, id);
        rows.add(append, &appended);
        let blocks = rows.new_blocks(&KnownBlocks::default());
        let end = session.sql().commit_append.replace("$1", &id.to_string());
        if let Some(permit) = &mut permit {
            permit.on_sent();
        }
        // A poll sends, and these are polled in this order.
        let committed = async {
            let set_up = async {
                if self.is_locked {
                    return Ok(());
                }
                session.set_up_transaction().await
            };
            let insert = rows.write(client, self.statement, &blocks, head);
            let ((set_up, inserted), committed) =
                join(join(set_up, insert), client.batch_execute(&end)).await;
            // Without an answer to the first, too, the commit may have happened.
            let written = set_up.and(inserted);
            if !self.is_locked && matches!(written, Ok(0)) {
                return Ok(None);
            }
            let outcome = AppendOutcome::of(written, committed.map_err(Fault::from), appended)?;
            if let Some(mut permit) = permit {
                match &outcome {
                    AppendOutcome::Done(appended) => {
                        append.add_to(&mut permit);
                        permit.on_committed(Head {
                            position: permit.head(),
                            time: appended.time.map_or(head.time, Timestamp::as_microsecond),
                            last: id,
                            ..*head
                        });
                    }
                    // The server that answers next may lack events that this one had.
                    AppendOutcome::Unknown(_) => permit.reset(Position::START),
                    AppendOutcome::Refused(_) | AppendOutcome::Duplicate(_) => {}
                }
            }
            // The permit ends here: the next transaction does not wait for the disk.
            Ok::<_, Fault>(Some(outcome))
        };
        let (outcome, flushed) = join(committed, client.flush()).await;
        Ok(match (outcome?, flushed) {
            // The rows are there, and nobody knows for how long. On another connection, the lookup of the
            // command tells, after a commit that has waited.
            (Some(AppendOutcome::Done(_)), Err(error)) => {
                let fault = Fault::new(Kind::Lost, Fault::from(error).reason());
                Some(AppendOutcome::Unknown(fault))
            }
            (outcome, _) => outcome,
        })
    }
}
