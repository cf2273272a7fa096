//! Parked keys: their changes in a commit, and their release.

use cqrs_core::Position;
use cqrs_core::store::{KeyRelease, ParkedChange, ParkedKey, Shard, Slices};
use rusqlite::Connection;

use super::shards::{insert_skipped, time};
use crate::fault::Fault;
use crate::{row, sql};

/// The parked keys of a shard.
pub(crate) fn parked(conn: &Connection, shard: &Shard) -> Result<Vec<ParkedKey>, Fault> {
    let mut select = conn.prepare_cached(sql::SELECT_PARKED)?;
    let (first, last) = (shard.slices.first(), shard.slices.last());
    let mut rows = select.query((&shard.subscription, first, last))?;
    let mut parked = Vec::new();
    while let Some(row) = rows.next()? {
        parked.push(ParkedKey {
            partition: row.get(0)?,
            key: row.get(1)?,
            first: row::position(row, 2)?,
            cause: row.get(3)?,
            since: time(row, 4)?,
            is_released: row.get(5)?,
        });
    }
    Ok(parked)
}

/// Whether each key is parked as the changes require.
pub(super) fn are_at_start(
    conn: &Connection,
    subscription: &str,
    changes: &[ParkedChange],
) -> Result<bool, Fault> {
    for change in changes {
        if first(conn, subscription, change.key())? != change.from() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether each key is as the changes leave it.
pub(super) fn are_done(
    conn: &Connection,
    subscription: &str,
    changes: &[ParkedChange],
) -> Result<bool, Fault> {
    for change in changes {
        let done = change.to().map(|to| to.first);
        if first(conn, subscription, change.key())? != done {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn write(
    conn: &Connection,
    subscription: &str,
    changes: &[ParkedChange],
) -> Result<(), Fault> {
    for change in changes {
        if let Some(to) = change.to() {
            put(conn, subscription, to)?;
            continue;
        }
        let key = (subscription, Slices::of_tag(change.key()), change.key());
        conn.prepare_cached(sql::DELETE_PARKED)?.execute(key)?;
    }
    Ok(())
}

/// Releases parked keys of a subscription. Returns their number.
pub(crate) fn release(conn: &Connection, release: &KeyRelease) -> Result<u64, Fault> {
    let subscription = release.subscription.as_str();
    let mut slices = Vec::new();
    for key in parked(conn, &Shard::whole(subscription))? {
        if let Some(released) = release.apply(&key) {
            put(conn, subscription, &released)?;
            slices.push(released.slice());
        }
    }
    if slices.is_empty() {
        return Ok(0);
    }
    let of_shards =
        serde_json::to_string(&slices).map_err(|why| Fault::corrupt(why.to_string()))?;
    conn.prepare_cached(sql::RAISE_EPOCHS)?
        .execute((subscription, of_shards))?;
    if let Some(event) = &release.skipped {
        insert_skipped(conn, subscription, event)?;
    }
    Ok(slices.len() as u64)
}

fn put(conn: &Connection, subscription: &str, parked: &ParkedKey) -> Result<(), Fault> {
    conn.prepare_cached(sql::UPSERT_PARKED)?.execute((
        subscription,
        parked.slice(),
        &parked.key,
        &parked.partition,
        row::number(parked.first),
        &parked.cause,
        parked.since.as_microsecond(),
        parked.is_released,
    ))?;
    Ok(())
}

/// The first event of a key, if it is parked.
fn first(conn: &Connection, subscription: &str, key: &str) -> Result<Option<Position>, Fault> {
    let mut select = conn.prepare_cached(sql::SELECT_PARKED_POSITION)?;
    let mut rows = select.query((subscription, Slices::of_tag(key), key))?;
    let found = rows.next()?.map(|row| row::position(row, 0));
    Ok(found.transpose()?)
}
