//! Many rows at once.

use std::time::Instant;

use tokio_postgres::types::{ToSql, Type};

use super::{PAYLOAD, TABLE};
use crate::Result;
use crate::postgres::database::{block_on, connect};

const UNNEST: &str = "INSERT INTO raw (aggregate, seq, type, payload) \
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bytea[])";

/// Number of rows per commit with [`unnest`].
const BATCH: usize = 500;

/// Rows per second.
pub fn copy(rows: usize, url: &str) -> Result<f64> {
    block_on(async {
        let client = connect(url).await?;
        client.batch_execute(TABLE).await?;
        let start = Instant::now();
        let sink = client.copy_in("COPY raw (aggregate, seq, type, payload) FROM STDIN BINARY");
        let types = [Type::TEXT, Type::INT8, Type::TEXT, Type::BYTEA];
        let writer = tokio_postgres::binary_copy::BinaryCopyInWriter::new(sink.await?, &types);
        let mut writer = std::pin::pin!(writer);
        for number in 0..rows {
            let (id, seq) = (
                format!("account-{:04}", number % 1000),
                i64::try_from(number)?,
            );
            let row = [&id as &(dyn ToSql + Sync), &seq, &"deposited", &PAYLOAD];
            writer.as_mut().write(&row).await?;
        }
        writer.as_mut().finish().await?;
        Ok(rows as f64 / start.elapsed().as_secs_f64())
    })
}

/// Rows per second.
pub fn unnest(rows: usize, url: &str) -> Result<f64> {
    block_on(async {
        let client = connect(url).await?;
        client.batch_execute(TABLE).await?;
        let statement = client.prepare(UNNEST).await?;
        let start = Instant::now();
        for batch in 0..rows / BATCH {
            let ids: Vec<_> = (0..BATCH).map(|row| format!("account-{row:04}")).collect();
            let seqs = vec![i64::try_from(batch)?; BATCH];
            let (types, payloads) = (vec!["deposited"; BATCH], vec![PAYLOAD; BATCH]);
            client
                .execute(&statement, &[&ids, &seqs, &types, &payloads])
                .await?;
        }
        Ok(rows as f64 / start.elapsed().as_secs_f64())
    })
}
