use std::pin::pin;

use bytes::{BufMut, Bytes, BytesMut};
use cqrs_core::store::{SortKey, ViewChange};
use cqrs_kit::view_changes::ModelChanges;
use futures_util::SinkExt;

use crate::SqlError;
use crate::dialect;
use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::schema::Schema;

/// Number of new views of one read model from which on they are copied. A copy needs a transaction around it,
/// with three more round trips than one statement.
const MIN_VIEWS: usize = 512;

/// The head of a copy in PostgreSQL's [binary format]: its signature, without flags and extension.
///
/// [binary format]: https://www.postgresql.org/docs/current/sql-copy.html
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The end of a copy.
const END: i16 = -1;

/// The changes to a read model, as they are written.
pub(crate) struct ModelWrite<'b> {
    pub(crate) model: &'b ModelChanges<Schema>,
    /// Whether the new views are copied.
    pub(crate) is_copied: bool,
}

impl<'b> ModelWrite<'b> {
    pub(crate) fn new(model: &'b ModelChanges<Schema>) -> Self {
        Self {
            model,
            is_copied: new_views(&model.changes).count() >= MIN_VIEWS,
        }
    }
}

/// New views of one read model, copied into their table. That costs the server two thirds of what an `INSERT`
/// costs, and fails where there is such a view.
pub(crate) struct ViewCopy {
    sql: String,
    rows: Bytes,
}

impl ViewCopy {
    /// The copies for these read models.
    ///
    /// # Errors
    /// When a key or a view is too large for PostgreSQL.
    pub(crate) fn of(writes: &[ModelWrite<'_>]) -> Result<Vec<Self>, Fault> {
        let copied = writes.iter().filter(|write| write.is_copied);
        copied
            .map(|ModelWrite { model, .. }| {
                let ModelChanges { table, changes, .. } = model;
                Ok(Self {
                    sql: dialect::copy(table),
                    rows: rows(changes, table.indexes())?,
                })
            })
            .collect()
    }

    /// Sends the views.
    pub(crate) async fn send(self, connection: &Connection) -> Result<(), SqlError> {
        let statement = connection.prepare_foreign(&self.sql).await?;
        let copied = async {
            let mut sink = pin!(connection.client().copy_in(&statement).await?);
            sink.send(self.rows).await?;
            sink.finish().await?;
            Ok::<_, SqlError>(())
        };
        connection.exchange(copied).await
    }
}

fn new_views(changes: &[ViewChange]) -> impl Iterator<Item = (&ViewChange, &[u8], &[SortKey])> {
    changes.iter().filter_map(|change| match &change.view {
        Some((body, sort_keys)) if change.is_new => Some((change, &body[..], &sort_keys[..])),
        _ => None,
    })
}

fn rows(changes: &[ViewChange], indexes: usize) -> Result<Bytes, Fault> {
    let columns =
        i16::try_from(2 + indexes).map_err(|_| Fault::data("a read model has too many indexes"))?;
    let mut rows = BytesMut::from(HEAD);
    for (change, body, sort_keys) in new_views(changes) {
        rows.put_i16(columns);
        put(&mut rows, dialect::encode_key(&change.key).as_bytes())?;
        put(&mut rows, body)?;
        for sort_key in sort_keys {
            put(&mut rows, sort_key.as_bytes())?;
        }
    }
    rows.put_i16(END);
    Ok(rows.freeze())
}

fn put(rows: &mut BytesMut, field: &[u8]) -> Result<(), Fault> {
    let length =
        i32::try_from(field.len()).map_err(|_| Fault::data("a view has more than 2 GiB"))?;
    rows.put_i32(length);
    rows.put_slice(field);
    Ok(())
}
