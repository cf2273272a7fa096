use std::borrow::Cow;

use cqrs_core::{Position, Timestamp};
use cqrs_kit::prepared::Prepared;
use futures_util::future::join;
use uuid::Uuid;

use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::row::Head;
use crate::transaction::flushes::{Flushes, SentAppend};
use crate::transaction::head_lock::HeadLockPermit;
use crate::transaction::outcome::AppendOutcome;
use crate::write::log_session::LogSession;
use crate::write::rows::{AppendStatements, BatchRows, KnownBlocks};

/// Goes on with a transaction whose commit did not find the head that it was to follow.
pub(super) const RESUME: &str = "ROLLBACK TO SAVEPOINT cqrs_append";

/// Commits if the append has set the head: otherwise the check fails, and the server skips the rest of the
/// message. The savepoint is for going on then.
const COMMIT: &str = "SAVEPOINT cqrs_append; EXECUTE cqrs_check_append; COMMIT";

/// Prepares the check, once per connection: the text of a message is planned each time.
pub(crate) fn prepare() -> String {
    format!("PREPARE cqrs_check_append AS {CHECK}")
}

const CHECK: &str =
    "SELECT 1 / (COALESCE(current_setting('cqrs_store.handler', true), '') = 'appended')::int";

/// The end of a handler's transaction: the rows of the append and the commit, in one round trip, with a second
/// commit that waits for the disk unless another transaction sends one (decision 0035).
pub(super) struct Commit<'a> {
    pub(super) session: &'a LogSession<&'a Connection>,
    pub(super) flushes: &'a Flushes,
    pub(super) statements: &'a AppendStatements,
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
        let blocks = match &permit {
            Some(permit) => rows.new_blocks(permit.known_blocks()),
            None => rows.new_blocks(&KnownBlocks::default()),
        };
        let statement = self.statements.of(&blocks);
        let mut sent = permit.as_mut().map(|permit| {
            permit.on_sent();
            self.flushes.on_sent(id, client)
        });
        // Without a permit, it is not known when it is committed.
        let is_last = sent.as_ref().is_none_or(SentAppend::has_lead);
        let commit: Cow<'_, str> = if client.is_bare() {
            format!("SAVEPOINT cqrs_append; {CHECK}; COMMIT").into()
        } else {
            COMMIT.into()
        };
        // A poll sends, and these are polled in this order.
        let committed = async {
            let write = rows.write(client, statement, &blocks, head);
            let (written, committed) = join(write, client.batch_execute(&commit)).await;
            if !self.is_locked && matches!(written, Ok(false)) {
                return Ok(None);
            }
            let outcome = AppendOutcome::of(written, committed.map_err(Fault::from), appended)?;
            if let Some((mut permit, sent)) = permit.zip(sent.as_mut()) {
                match &outcome {
                    AppendOutcome::Done(appended) => {
                        append.add_to(&mut permit);
                        permit.record_blocks(&blocks);
                        permit.on_committed(Head {
                            position: permit.head(),
                            time: appended.time.map_or(head.time, Timestamp::as_microsecond),
                            last: id,
                            ..*head
                        });
                        sent.on_committed();
                    }
                    // The server that answers next may lack events that this one had.
                    AppendOutcome::Unknown(_) => permit.reset(Position::START),
                    _ => {}
                }
            }
            // The permit ends here: the next transaction does not wait for the disk.
            Ok::<_, Fault>(Some(outcome))
        };
        let flush = async {
            if is_last {
                client.flush().await?;
            }
            Ok::<_, Fault>(())
        };
        let (outcome, flushed) = join(committed, flush).await;
        Ok(match (outcome?, flushed) {
            // The rows are there, and nobody knows for how long. On another connection, the lookup of the
            // command tells, after a commit that has waited.
            (Some(AppendOutcome::Done(_)), Err(fault)) => {
                let fault = Fault::new(Kind::Lost, fault.reason());
                Some(AppendOutcome::Unknown(fault))
            }
            (Some(AppendOutcome::Done(appended)), Ok(())) => Some(match sent {
                Some(sent) => AppendOutcome::Committed(appended, sent.wait(client, is_last)),
                None => AppendOutcome::Done(appended),
            }),
            (outcome, _) => outcome,
        })
    }
}
