use std::error::Error;
use std::fmt;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

/// The result of encoding a value.
pub(crate) type EncodeResult = Result<(), Box<dyn Error + Sync + Send>>;

/// Values that are rows of a table. As a parameter, a slice of them is an array of that table's row type,
/// in PostgreSQL's binary format.
pub(crate) trait TableRow {
    /// Names of the table's columns, in their order in the table.
    const COLUMNS: &'static [&'static str];

    /// Adds a value for each column, in that order.
    fn encode(&self, columns: &mut RowEncoder<'_>) -> EncodeResult;
}

/// An array of rows as a parameter.
pub(crate) struct RowArray<T>(pub(crate) Vec<T>);

/// Encodes the columns of one row.
pub(crate) struct RowEncoder<'o> {
    out: &'o mut BytesMut,
}

impl RowEncoder<'_> {
    /// Adds the value of the next column, which has this type.
    pub(crate) fn add(&mut self, column: &Type, value: &impl ToSql) -> EncodeResult {
        self.out.put_u32(column.oid());
        length_prefixed(self.out, |out| value.to_sql(column, out))
    }
}

impl<T: TableRow> ToSql for RowArray<T> {
    fn to_sql(
        &self,
        array: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Kind::Array(row_type) = array.kind() else {
            return Err(format!("{array} is not an array").into());
        };
        let is_empty = self.0.is_empty();
        out.put_i32(i32::from(!is_empty)); // dimensions
        out.put_i32(0); // has no NULL as an element
        out.put_u32(row_type.oid());
        if !is_empty {
            out.put_i32(i32::try_from(self.0.len())?);
            out.put_i32(1); // index of the first element
        }
        for row in &self.0 {
            length_prefixed(out, |out| {
                out.put_i32(i32::try_from(T::COLUMNS.len())?);
                row.encode(&mut RowEncoder { out })?;
                Ok(IsNull::No)
            })?;
        }
        Ok(IsNull::No)
    }

    /// Not whether the row type has these columns: the server compares their number and types with
    /// those of the table, and the tests their names.
    fn accepts(array: &Type) -> bool {
        matches!(array.kind(), Kind::Array(row_type) if matches!(row_type.kind(), Kind::Composite(_)))
    }

    to_sql_checked!();
}

impl<T> fmt::Debug for RowArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.0.len())
    }
}

/// Writes a value after its length in bytes, which is -1 for NULL.
fn length_prefixed(
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>>,
) -> EncodeResult {
    let start = out.len();
    out.put_i32(-1);
    if let IsNull::No = write(out)? {
        let length = i32::try_from(out.len() - start - 4)?;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}
