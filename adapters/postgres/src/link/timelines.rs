//! Timelines of servers: a server that takes over begins a new one.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::fault::{Fault, Kind};

/// Time for which a server with an earlier timeline has to be the only one that takes writes. A leader that was
/// frozen is demoted within much less, once it goes on.
const EARLIER_GRACE: Duration = Duration::from_secs(10);

/// The timeline in which the server writes, right from its promotion, in hexadecimal digits.
const TIMELINE: &str = "SELECT CASE WHEN NOT pg_is_in_recovery() \
                        THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END";

/// What sends and receives for a client.
pub(super) trait Driver: Future<Output = Result<(), tokio_postgres::Error>> + Unpin {}

impl<C: Future<Output = Result<(), tokio_postgres::Error>> + Unpin> Driver for C {}

/// The latest timeline in which this process has seen a leader write.
///
/// A leader that is frozen goes on taking writes for a moment when it is continued, beside the one that has
/// taken over. It has an earlier timeline. So has a backup that is restored with its files, in place of all
/// servers.
#[derive(Debug, Default)]
pub(super) struct Timelines(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    latest: u32,
    /// Since when no leader was found but one with an earlier timeline.
    earlier_since: Option<Instant>,
}

impl Timelines {
    /// Whether a server that takes writes is the leader, as far as its timeline shows.
    ///
    /// # Errors
    /// When its timeline is earlier than that of a leader that was seen before, and it has not been the only one
    /// that takes writes for [`EARLIER_GRACE`]; and when the connection is lost.
    pub(super) async fn check<C: Driver>(
        &self,
        client: &Client,
        connection: &mut C,
    ) -> Result<(), Fault> {
        match timeline(client, connection).await? {
            Some(found) => self.note(found, Instant::now()),
            None => Ok(()),
        }
    }

    fn note(&self, found: u32, now: Instant) -> Result<(), Fault> {
        let mut seen = self.seen();
        if found < seen.latest {
            let since = *seen.earlier_since.get_or_insert(now);
            if now.saturating_duration_since(since) < EARLIER_GRACE {
                let latest = seen.latest;
                return Err(Fault::new(
                    Kind::Lost,
                    format!(
                        "the server that takes writes was the leader before another one: its timeline is {found}, \
                         and {latest} was seen. It is taken if there is no other for {EARLIER_GRACE:?}"
                    ),
                ));
            }
        }
        *seen = Seen {
            latest: found,
            earlier_since: None,
        };
        Ok(())
    }

    /// No other code runs while the lock is held, so a poisoned one still guards whole data.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None` where the server does not say, such as a managed one without the functions.
async fn timeline<C: Driver>(client: &Client, connection: &mut C) -> Result<Option<u32>, Fault> {
    let asked = pin!(client.simple_query(TIMELINE));
    let answers = match select(asked, connection).await {
        Either::Left((Ok(answers), _)) => answers,
        Either::Left((Err(error), _)) if error.as_db_error().is_some() => return Ok(None),
        Either::Left((Err(error), _)) => return Err(error.into()),
        Either::Right((ended, _)) => {
            let reason = "the server ended a connection that was just opened";
            return Err(ended
                .err()
                .map_or_else(|| Fault::new(Kind::Lost, reason), Fault::from));
        }
    };
    let digits = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_timeline_is_taken_only_if_there_is_no_later_one() {
        let timelines = Timelines::default();
        let start = Instant::now();
        let seen = |timeline, seconds| {
            let now = start + Duration::from_secs(seconds);
            timelines.note(timeline, now).is_ok()
        };
        assert!(seen(1, 0));
        assert!(seen(2, 1));
        // The leader of before, while the new one is looked for, and found.
        assert!(!seen(1, 2));
        assert!(seen(2, 3));
        assert!(!seen(1, 12));
        // A backup that was restored.
        assert!(!seen(1, 21));
        assert!(seen(1, 22));
        assert!(seen(1, 23));
        assert!(seen(2, 24));
    }
}
