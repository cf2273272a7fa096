//! Appends of several processes at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use cqrs_core::store::{AppendToken, Boundary, EventType, Tags};
use cqrs_core::{CommandId, Position, Timestamp};
use cqrs_kit::decider::ConflictWindow;
use futures_util::future::join;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::batch::Batch;
use super::log_session::LogSession;
use super::request::Disposition;
use super::rows::{BatchRows, has_metadata};
use super::watched_tags::WatchedTags;
use crate::fault::{Fault, Kind};
use crate::row::{self, EventTypes, Head, count, number};

/// Number of batches that are written at the end of the log, wherever that is, after another process was
/// seen to write for the first time. Perhaps it was the last time: it may have ended, or write now and then.
/// Counted in batches, since a pause of the others says nothing if this process paused, too.
const FEW_BATCHES: u32 = 8;

/// Maximum number of such batches, for others that are seen again and again.
const MANY_BATCHES: u32 = 64;

/// Number of batches that this process writes alone until it has forgotten the others.
const FORGOTTEN_AFTER: u32 = 1_024;

/// Number of batches after which that is over if this process has a lease.
const LEASED_BATCHES: u32 = 4;

/// Time for which a lease waits for the first append of its process, in milliseconds.
const LEASE_MILLIS: u32 = 100;

/// Number of conflicts of a request up to which that is long enough. Each one more doubles the time.
const FEW_CONFLICTS: u32 = 4;

/// Maximum number of doublings.
const MAX_LEASE_DOUBLINGS: u32 = 3;

/// What is between two types or tags of events in an answer of `append_at_end`.
const SEPARATOR: char = '\u{1f}';

/// Whether other processes write. While none does, a statement that compares the head is faster, and can
/// be sent behind another one.
#[derive(Debug, Default)]
pub(super) enum Contention {
    /// None was seen, or not for long.
    #[default]
    Alone,
    /// So many batches are left to write at the end of the log, of those that there were when another process was
    /// last seen to write.
    Present { left: u32, of: u32 },
    /// They were written, and since then so many other batches.
    Past { of: u32, since: u32 },
}

impl Contention {
    pub(super) fn is_present(&self) -> bool {
        matches!(self, Self::Present { .. })
    }

    /// Another process was seen to write. If this process has written batches since the last time that none
    /// overtook, there will be twice as many.
    pub(super) fn on_others(&mut self) {
        let of = match *self {
            Self::Alone => FEW_BATCHES,
            Self::Present { left, of } if left == of => of,
            Self::Present { of, .. } | Self::Past { of, .. } => (2 * of).min(MANY_BATCHES),
        };
        *self = Self::Present { left: of, of };
    }

    /// A batch was written.
    pub(super) fn on_written(&mut self) {
        if let Self::Past { since, .. } = self {
            *since += 1;
            if *since >= FORGOTTEN_AFTER {
                *self = Self::Alone;
            }
        }
    }

    /// A batch was written at the end of the log.
    pub(super) fn on_append(&mut self, append: &EndAppend) {
        if !append.tail.is_empty() || !append.held.is_empty() {
            self.on_others();
            return;
        }
        let Self::Present { left, of } = *self else {
            return;
        };
        // The others wait for its lease to end, and then they move the head.
        let most = if append.has_lease {
            LEASED_BATCHES
        } else {
            left
        };
        *self = match left.min(most) - 1 {
            0 => Self::Past { of, since: 0 },
            left => Self::Present { left, of },
        };
    }
}

/// The answer of the function `append_at_end`.
pub(super) struct EndAppend {
    /// The id of the append.
    id: Uuid,
    /// The head before it.
    before: Head,
    /// The places of the requests that were not written, among those that were sent. `None` if the log
    /// could not be followed from the known head, and nothing was written.
    left_out: Option<Vec<i64>>,
    /// Those that wait for a lease of another process, also of requests that were refused.
    held: Vec<i64>,
    /// This process has the lease of a tag.
    has_lease: bool,
    /// Types and tags of the events of other processes, between the known head and this one.
    tail: Vec<(EventType, Tags)>,
    /// The commands of other processes with given ids.
    given: Vec<CommandId>,
}

impl EndAppend {
    /// Whether the log was followed from the known head.
    pub(super) fn is_followed(&self) -> bool {
        self.left_out.is_some()
    }

    /// The commands of other processes with given ids of the form of assigned ones.
    pub(super) fn resent(&self) -> impl Iterator<Item = CommandId> {
        self.given.iter().copied().filter(CommandId::is_assigned)
    }

    /// Gives the requests that were written their positions, and the window, which is known to be that of
    /// the log up to `known`, the events of all processes. Returns the new head.
    pub(super) fn place(
        mut self,
        batch: &mut Batch,
        window: &mut ConflictWindow,
        known: Position,
    ) -> Result<Head, Fault> {
        let numbers: Vec<Option<i64>> = batch.numbers().collect();
        batch.withdraw_from(window);
        window.truncate(known);
        let has_tail = !self.tail.is_empty();
        for (event_type, tags) in mem::take(&mut self.tail) {
            window.add(event_type, tags);
        }
        if window.head() != self.before.position {
            return Err(unplaced("events are missing at the end of the log"));
        }
        if has_tail {
            batch.times_overtaken += 1;
            batch.defer_refused(known);
        }
        let mut after = self.before;
        let mut waiting = BTreeSet::new();
        for (request, number) in batch.requests.iter_mut().zip(numbers) {
            let is_held = number.is_some_and(|number| self.held.contains(&number));
            if is_held || request.follows(&waiting) {
                waiting.extend(request.append.token());
                request.wait_for_lease();
            }
            let Disposition::Write(decided) = request.disposition else {
                continue;
            };
            if !number.is_some_and(|number| self.has_written(number)) {
                request.disposition = Disposition::Later;
                continue;
            }
            // The time of the decision, which may be that of a request that was left out.
            let time = decided.time.map_or(i64::MIN, Timestamp::as_microsecond);
            let appended = request
                .append
                .place(window.head(), time.max(self.before.time))
                .map_err(|error| unplaced(Fault::from(error).reason()))?;
            request.append.add_to(window);
            request.disposition = Disposition::Write(appended);
            after = Head {
                position: window.head(),
                time: appended.time.map_or(after.time, Timestamp::as_microsecond),
                last: self.id,
                ..after
            };
        }
        Ok(after)
    }

    /// Whether the request with this number was written.
    fn has_written(&self, number: i64) -> bool {
        let left_out = self.left_out.as_ref();
        left_out.is_some_and(|left_out| !left_out.contains(&number))
    }

    /// `tail` is empty if the log could not be followed.
    fn of(row: &Row, known: &Head, id: Uuid, tail: Vec<(EventType, Tags)>) -> Result<Self, Fault> {
        Ok(Self {
            id,
            before: Head {
                position: row::position(row, 0)?,
                time: row.try_get(1)?,
                epoch: row.try_get(2)?,
                last: row.try_get(3)?,
                ..*known
            },
            left_out: row.try_get(4)?,
            held: row.try_get::<_, Option<_>>(5)?.unwrap_or_default(),
            has_lease: row.try_get::<_, Option<_>>(6)?.unwrap_or_default(),
            tail,
            given: given(row)?,
        })
    }
}

/// Types and tags of the newer events, which follow the position `known`. `None` if one of these texts has a
/// [`SEPARATOR`] in it.
fn tail(row: &Row, known: Position) -> Result<Option<Vec<(EventType, Tags)>>, Fault> {
    let Some(joined_types) = row.try_get::<_, Option<&str>>(7)? else {
        return Ok(Some(Vec::new()));
    };
    let joined_tags: &str = row.try_get(8)?;
    let stored: Option<Vec<&str>> = row.try_get(9)?;
    let mut lists = stored.into_iter().flatten();
    let [types, tags] =
        [joined_types, joined_tags].map(|joined| joined.split(SEPARATOR).collect::<Vec<_>>());
    let newer = row::position(row, 0)?.since(known);
    if [&types, &tags].map(|list| list.len() as u64) != [newer; 2] {
        return Ok(None);
    }
    let mut shared = EventTypes::default();
    let events = types.into_iter().zip(tags).map(|(event_type, tag)| {
        let list = if tag.is_empty() { lists.next() } else { None };
        Ok((
            shared.named(event_type)?,
            row::stored_tags(list, Some(tag))?,
        ))
    });
    Ok(Some(events.collect::<Result<_, Fault>>()?))
}

fn given(row: &Row) -> Result<Vec<CommandId>, Fault> {
    let ids: Option<Vec<Uuid>> = row.try_get(10)?;
    Ok(ids.into_iter().flatten().map(CommandId::from).collect())
}

/// Writes the accepted requests of a batch, which was decided on the head `known`, at the end of the log.
/// Requests that newer events may concern are left out.
///
/// Two commits in one round trip. The first one has the head locked and does not wait for the disk. The
/// second one waits, together with those of other processes, and only its answer makes the first one
/// durable (I7). If it fails, or the connection is lost, the requests may or may not be in the log, as
/// after any lost connection.
pub(super) async fn append_at_end(
    session: &LogSession,
    batch: &Batch,
    known: &Head,
    append_id: Uuid,
    max_tail: usize,
    process: Uuid,
) -> Result<EndAppend, Fault> {
    let mut rows = BatchRows::new(known, append_id);
    batch.add_to(&mut rows);
    let requests = Requests::of(batch);
    let (known_position, max_tail) = (number(known.position), count(max_tail));
    let lease_millis = f64::from(requests.lease_millis());
    let (events, tags, commands) = (rows.events(), rows.tags(), rows.commands());
    let (types, metadata) = (rows.types(), rows.metadata()?);
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![
        &known_position,
        &known.epoch,
        &known.store,
        &known.last,
        &max_tail,
        &append_id,
        &requests.event_counts,
        &requests.command_ids,
        &events,
        &tags,
        &commands,
        &requests.recorded,
        &requests.watched.tags,
        &requests.watched.requests,
        &requests.following,
        &requests.followed,
        &process,
        &requests.queueing,
        &lease_millis,
        &types,
    ];
    let has_metadata = !requests.with_metadata.is_empty();
    if has_metadata {
        params.extend([&metadata as &(dyn ToSql + Sync), &requests.with_metadata]);
    }
    // Both statements are prepared, so both are sent at once, in this order.
    let append = session.append_at_end(&params, has_metadata);
    let (appended, flushed) = join(append, session.client().flush()).await;
    let row = appended?;
    // The rows are there, and nobody knows for how long. On another connection, the lookup by command
    // ids tells, after a commit that has waited.
    flushed.map_err(|error| unplaced(Fault::from(error).reason()))?;
    let returned = tail(&row, known.position)?;
    let tail = if let Some(returned) = returned {
        returned
    } else {
        let read = session.tail(known.position, row::position(&row, 0)?).await;
        read.map_err(|fault| unplaced(fault.reason()))?
    };
    EndAppend::of(&row, known, append_id, tail)
}

/// The parameters about requests, which are numbered from 1.
#[derive(Default)]
struct Requests<'b> {
    event_counts: Vec<i64>,
    command_ids: Vec<Uuid>,
    /// The request of each row of the table `commands`.
    recorded: Vec<i64>,
    /// The request of each row of the table `command_metadata`.
    with_metadata: Vec<i64>,
    watched: WatchedTags<'b>,
    following: Vec<i64>,
    followed: Vec<i64>,
    /// Those that queue for leases.
    queueing: Vec<i64>,
    /// The largest number of conflicts of any of them.
    conflicts: u32,
}

impl<'b> Requests<'b> {
    fn of(batch: &'b Batch) -> Self {
        let mut requests = Self::default();
        let mut numbers = BTreeMap::new();
        for (request, number) in batch.requests.iter().zip(batch.numbers()) {
            let Some(number) = number else {
                continue;
            };
            let append = &request.append;
            for boundary in &append.boundaries {
                requests.watched.add(number, boundary);
            }
            if request.queues_for_lease() {
                requests.queueing.push(number);
                requests.conflicts = requests.conflicts.max(append.conflicts);
            }
            if !request.is_written() {
                continue;
            }
            requests.event_counts.push(count(append.events.len()));
            requests.command_ids.push(append.command.as_uuid());
            if append.has_record() {
                requests.recorded.push(number);
            }
            if has_metadata(append) {
                requests.with_metadata.push(number);
            }
            for boundary in &append.boundaries {
                requests.follow(number, boundary, &numbers);
            }
            if let Some(token) = append.token() {
                numbers.insert(token, number);
            }
        }
        requests
    }

    /// How long a lease waits for the first append. The process has to read what others have appended
    /// before it can use the lease, and after a lease that was too short it has lost once more.
    fn lease_millis(&self) -> u32 {
        LEASE_MILLIS
            << self
                .conflicts
                .saturating_sub(FEW_CONFLICTS)
                .min(MAX_LEASE_DOUBLINGS)
    }

    /// Adds the request of the same batch that this one follows, if there is one.
    fn follow(&mut self, number: i64, boundary: &Boundary, numbers: &BTreeMap<AppendToken, i64>) {
        let followed = boundary.after_append.and_then(|token| numbers.get(&token));
        if let Some(followed) = followed {
            self.following.push(number);
            self.followed.push(*followed);
        }
    }
}

/// The fault of requests that were written, and cannot be placed in the window: as after a lost connection,
/// the lookup by command ids answers them.
fn unplaced(reason: impl Into<Arc<str>>) -> Fault {
    Fault::new(Kind::Lost, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(tail: usize) -> EndAppend {
        let event = || (EventType::new("a"), Tags::default());
        EndAppend {
            id: Uuid::nil(),
            before: Head {
                position: Position::START,
                time: 0,
                epoch: 0,
                store: Uuid::nil(),
                last: Uuid::nil(),
            },
            left_out: Some(Vec::new()),
            held: Vec::new(),
            has_lease: false,
            tail: std::iter::repeat_with(event).take(tail).collect(),
            given: Vec::new(),
        }
    }

    /// Number of batches that are written at the end of the log from here on, if no other process writes.
    fn batches_until_alone(contention: &mut Contention) -> u32 {
        let mut batches = 0;
        while contention.is_present() {
            contention.on_append(&appended(0));
            contention.on_written();
            batches += 1;
        }
        batches
    }

    #[test]
    fn one_other_process_that_has_stopped_costs_few_batches() {
        let mut contention = Contention::default();
        contention.on_others();
        // It is seen by several signs.
        contention.on_others();
        contention.on_append(&appended(1));
        assert_eq!(batches_until_alone(&mut contention), FEW_BATCHES);
    }

    #[test]
    fn the_more_often_others_come_back_the_longer_they_are_expected() {
        let mut contention = Contention::default();
        let mut expected = FEW_BATCHES;
        for _ in 0..10 {
            contention.on_others();
            assert_eq!(batches_until_alone(&mut contention), expected);
            expected = (2 * expected).min(MANY_BATCHES);
        }
        for _ in 0..FORGOTTEN_AFTER {
            contention.on_written();
        }
        contention.on_others();
        assert_eq!(batches_until_alone(&mut contention), FEW_BATCHES);
    }
}
