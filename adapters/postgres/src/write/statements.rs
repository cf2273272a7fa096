use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use cqrs_core::store::{AppendError, BoxFuture};
use futures_util::future::{MaybeDone, maybe_done};
use tokio_postgres::error::SqlState;

use super::log_session::LogSession;
use super::request::Request;
use super::rows::BatchRows;
use crate::SqlError;
use crate::fault::{Fault, Kind};
use crate::row::{Head, number};
use crate::sql::STATEMENT_SETTINGS;
use crate::transaction::pooled::PooledTransaction;
use crate::writes::SqlWrites;

/// The outcome of a transaction.
pub(crate) enum BatchOutcome {
    Written,
    /// Another process moved the head first. Nothing was written.
    Overtaken,
    /// Nothing was written.
    Failed(FailedStatement),
}

/// A statement that failed in its transaction.
pub(crate) struct FailedStatement {
    /// The place of its request in the batch.
    pub(crate) place: usize,
    /// Its place among the statements of the request.
    pub(crate) number: usize,
    pub(crate) error: AppendError,
    pub(crate) reason: Arc<str>,
    /// Another transaction has locked what it needs.
    pub(crate) is_contention: bool,
}

impl LogSession {
    /// Writes the rows and executes the statements of the accepted requests, in one transaction and one
    /// round trip. With `is_locked`, this session has begun the transaction and locked the head;
    /// otherwise, the head has to be `before`.
    ///
    /// The head is locked first, so statements of batches of several processes never wait for each
    /// other's rows. They wait for other transactions for `lock_timeout` at most, since everybody waits
    /// for the head.
    pub(crate) async fn append_with_statements(
        &self,
        rows: &BatchRows<'_>,
        batch: &[Request],
        before: &Head,
        is_locked: bool,
        lock_timeout: &str,
    ) -> Result<BatchOutcome, Fault> {
        let client = self.client();
        let blocks = rows.new_blocks(&self.known_blocks());
        let kind = rows.statement(&blocks);
        let append = self.append_statement(kind).await?;
        let compare = client.prepare(&self.sql().compare_head).await?;
        let settings = client.prepare(STATEMENT_SETTINGS).await?;
        let mut steps = BatchSteps::default();
        if !is_locked {
            let begin = client.batch_execute(PooledTransaction::READ_COMMITTED);
            steps.add(BatchStep::Store, async { Ok(begin.await?) });
            steps.add(BatchStep::Compare, async {
                let params = [
                    &number(before.position) as _,
                    &before.epoch as _,
                    &before.last as _,
                ];
                client
                    .execute(&compare, &params)
                    .await
                    .map(drop)
                    .map_err(Fault::of_compare)
            });
        }
        if !rows.is_empty() {
            steps.add(BatchStep::Store, async {
                let written = rows.write(client, (kind, &append), &blocks, before);
                written.await.map(drop)
            });
        }
        // After the rows, whose statement has to be planned with the settings of the session.
        steps.add(BatchStep::Store, async {
            Ok(client
                .query_one(&settings, &[&lock_timeout])
                .await
                .map(drop)?)
        });
        for (place, request) in batch.iter().enumerate() {
            if !request.is_written() {
                continue;
            }
            for (number, statement) in request.statements.iter().enumerate() {
                let step = BatchStep::Statement { place, number };
                steps.add(step, statement.execute(client));
            }
        }
        let commit = client.batch_execute("COMMIT");
        steps.add(BatchStep::Commit, async { Ok(commit.await?) });
        // After a failure, PostgreSQL refuses the steps that follow, and `COMMIT` rolls back.
        let Some((step, fault)) = steps.run().await else {
            self.known_blocks().record(&blocks);
            return Ok(BatchOutcome::Written);
        };
        match step {
            _ if fault.kind() == Kind::Lost => Err(fault),
            BatchStep::Compare if fault.kind() == Kind::Overtaken => Ok(BatchOutcome::Overtaken),
            BatchStep::Statement { place, number } if fault.kind() != Kind::Full => {
                let writes = batch[place].append.writes.as_ref();
                let recorded =
                    writes.and_then(|it| it.get::<SqlWrites>()?.statements().get(number));
                Ok(BatchOutcome::Failed(FailedStatement {
                    place,
                    number,
                    error: AppendError::Statement {
                        statement: recorded.map_or("", |it| it.sql()).into(),
                        reason: fault.reason(),
                    },
                    reason: fault.reason(),
                    is_contention: fault.kind() == Kind::Contention,
                }))
            }
            // Deferred constraints of tables of the program. They do not name a statement.
            BatchStep::Commit if fault.kind() == Kind::Contention => {
                Err(Fault::new(Kind::Blocked, fault.reason()))
            }
            BatchStep::Commit if matches!(fault.kind(), Kind::Data | Kind::Duplicate) => {
                Err(Fault::new(Kind::Statement, fault.reason()))
            }
            _ => Err(fault),
        }
    }
}

/// A message to the server, with the wait for its answer.
#[derive(Clone, Copy)]
enum BatchStep {
    /// One of the store's own.
    Store,
    /// The comparison of the head.
    Compare,
    /// The statement with this number of the request at this place.
    Statement {
        place: usize,
        number: usize,
    },
    Commit,
}

/// Steps that are sent together.
#[derive(Default)]
struct BatchSteps<'s> {
    steps: Vec<BatchStep>,
    answers: Vec<StepAnswer<'s>>,
}

type StepAnswer<'s> = Pin<Box<MaybeDone<BoxFuture<'s, Result<(), Fault>>>>>;

impl<'s> BatchSteps<'s> {
    fn add(
        &mut self,
        step: BatchStep,
        answer: impl Future<Output = Result<(), Fault>> + Send + 's,
    ) {
        self.steps.push(step);
        let answer: BoxFuture<'s, _> = Box::pin(answer);
        self.answers.push(Box::pin(maybe_done(answer)));
    }

    /// Sends all steps in order, and waits for all answers. Returns the first failure.
    async fn run(mut self) -> Option<(BatchStep, Fault)> {
        // A future sends when it is polled for the first time. The answers arrive in the same order, so
        // they are awaited one by one.
        poll_fn(|context| {
            for answer in &mut self.answers {
                let _ = answer.as_mut().poll(context);
            }
            Poll::Ready(())
        })
        .await;
        let mut failure = None;
        for (step, mut answer) in self.steps.into_iter().zip(self.answers) {
            answer.as_mut().await;
            if let Some(Err(fault)) = answer.as_mut().take_output() {
                failure = failure.or(Some((step, fault)));
            }
        }
        failure
    }
}

impl Fault {
    /// The failure of the comparison of the head, which divides by the number of rows that it finds.
    fn of_compare(error: SqlError) -> Self {
        if error.code() == Some(&SqlState::DIVISION_BY_ZERO) {
            return Self::new(Kind::Overtaken, "another process moved the head");
        }
        error.into()
    }
}
