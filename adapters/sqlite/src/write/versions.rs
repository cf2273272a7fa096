use cqrs_core::Timestamp;
use cqrs_core::store::{
    ModelSchema, ProjectionVersion, Replacement, ReplacementOutcome, VersionChange, VersionRemoval,
};
use cqrs_kit::blueprints;
use rusqlite::Connection;

use super::shards::{put_shards, shards, worker_id};
use crate::dialect::{self, Table, Tables};
use crate::fault::Fault;
use crate::sql;
use crate::worker_locks::WorkerLocks;

/// The versions of a projection, in order.
pub(crate) fn of_projection(
    conn: &Connection,
    projection: &str,
) -> Result<Vec<ProjectionVersion>, Fault> {
    let mut select = conn.prepare_cached(sql::SELECT_VERSIONS)?;
    let mut rows = select.query([projection])?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        let blueprints = blueprints::decode(&row.get::<_, String>(1)?);
        let began = Timestamp::from_microsecond(row.get(2)?);
        versions.push(ProjectionVersion {
            version: row.get(0)?,
            blueprints: blueprints.map_err(|why| Fault::corrupt(why.to_string()))?,
            began: began.map_err(|why| Fault::corrupt(format!("the time of a version: {why}")))?,
            is_live: row.get(3)?,
            was_live: row.get(4)?,
            is_held: row.get(5)?,
        });
    }
    Ok(versions)
}

pub(crate) fn change(
    conn: &Connection,
    change: &VersionChange,
) -> Result<Vec<ProjectionVersion>, Fault> {
    let stored = of_projection(conn, &change.projection)?;
    let Some(changed) = change.apply(&stored) else {
        return Ok(stored);
    };
    replace(conn, &change.projection, &changed)?;
    Ok(changed)
}

pub(crate) fn remove(
    conn: &Connection,
    locks: &WorkerLocks,
    removal: &VersionRemoval,
) -> Result<bool, Fault> {
    let stored = of_projection(conn, &removal.projection)?;
    let Some(left) = removal.apply(&stored) else {
        return Ok(false);
    };
    for subscription in &removal.subscriptions {
        if is_attended(conn, locks, subscription)? {
            return Ok(false);
        }
    }
    replace(conn, &removal.projection, &left)?;
    for subscription in &removal.subscriptions {
        for statement in [sql::FORGET_SHARDS, sql::FORGET_PARKED, sql::DELETE_SKIPPED] {
            conn.prepare_cached(statement)?.execute([subscription])?;
        }
    }
    for name in &removal.tables {
        let model = ModelSchema {
            table: name.clone(),
            indexes: Vec::new(),
        };
        conn.execute_batch(&Table::new(&Tables, &model)?.drop_if_exists())?;
        conn.prepare_cached(sql::DELETE_MODEL)?.execute([name])?;
    }
    Ok(true)
}

pub(crate) fn replace_views(
    conn: &Connection,
    replacement: &Replacement,
) -> Result<ReplacementOutcome, Fault> {
    let Replacement {
        subscription,
        rebuilt,
        models,
        ..
    } = replacement;
    let present = shards(conn, &[subscription])?;
    let Some(replaced) = replacement.apply(&present, &shards(conn, &[rebuilt])?) else {
        return Ok(ReplacementOutcome::Refused);
    };
    put_shards(conn, subscription, replaced)?;
    conn.prepare_cached(sql::FORGET_PARKED)?
        .execute([subscription])?;
    conn.prepare_cached(sql::MOVE_PARKED)?
        .execute([subscription, rebuilt])?;
    conn.prepare_cached(sql::FORGET_SHARDS)?
        .execute([rebuilt])?;
    for (model, name) in models {
        let again = ModelSchema {
            table: name.clone(),
            ..model.clone()
        };
        let tables = [model, &again].map(|model| Table::new(&Tables, model));
        let [present, again] = tables;
        conn.execute_batch(&dialect::replace(&present?, &again?))?;
        conn.prepare_cached(sql::DELETE_MODEL)?.execute([name])?;
    }
    Ok(ReplacementOutcome::Replaced)
}

fn replace(
    conn: &Connection,
    projection: &str,
    versions: &[ProjectionVersion],
) -> Result<(), Fault> {
    conn.prepare_cached(sql::DELETE_VERSIONS)?
        .execute([projection])?;
    let mut insert = conn.prepare_cached(sql::INSERT_VERSION)?;
    for version in versions {
        let blueprints = blueprints::encode(&version.blueprints);
        insert.execute((
            projection,
            version.version,
            blueprints.map_err(|why| Fault::corrupt(why.to_string()))?,
            version.began.as_microsecond(),
            version.is_live,
            version.was_live,
            version.is_held,
        ))?;
    }
    Ok(())
}

fn is_attended(conn: &Connection, locks: &WorkerLocks, subscription: &str) -> Result<bool, Fault> {
    let mut select = conn.prepare_cached(sql::SELECT_ATTENDING)?;
    let mut rows = select.query([subscription])?;
    while let Some(row) = rows.next()? {
        let is_gone = row.get(1)? && locks.is_released(worker_id(row, 0)?);
        if !is_gone {
            return Ok(true);
        }
    }
    Ok(false)
}
