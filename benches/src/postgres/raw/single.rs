//! One aggregate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Caller, PAYLOAD, TABLE};
use crate::Result;
use crate::callers::insist;
use crate::load::Outcome;
use crate::postgres::database::{block_on, connect};
use crate::runs::Runs;

/// A table with a row for each aggregate, here for one.
const COUNTER: &str = "CREATE TABLE counter (
    aggregate text   PRIMARY KEY,
    seq       bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO counter VALUES ('hot', 0)";

const COUNT: &str = "WITH one AS (
    UPDATE counter SET seq = seq + 1 WHERE aggregate = 'hot' RETURNING aggregate, seq
) INSERT INTO raw (aggregate, seq, type, payload) SELECT aggregate, seq, 'deposited', $1 FROM one";

const FILL: &str = "INSERT INTO raw (aggregate, seq, type, payload)
    SELECT 'deep', seq, 'deposited', $1 FROM generate_series(1, $2::bigint) seq";

/// Each command is one statement that raises the aggregate's number and inserts with it. Also
/// returns the share of commands that failed.
pub fn counter(callers: u32, time: Duration, url: &str) -> Result<(Outcome, f64)> {
    block_on(async {
        let client = connect(url).await?;
        client.batch_execute(TABLE).await?;
        client.batch_execute(COUNTER).await?;
        let mut senders = Vec::new();
        for _ in 0..callers {
            let client = connect(url).await?;
            let statement = client.prepare(COUNT).await?;
            let connection = Arc::new((client, statement));
            senders.push(move || {
                let connection = connection.clone();
                async move {
                    let (client, statement) = &*connection;
                    client.execute(statement, &[&PAYLOAD]).await?;
                    Ok(())
                }
            });
        }
        Ok(insist(senders, time).await?.outcome())
    })
}

/// The median duration, in milliseconds, of loading this number of rows and inserting one more.
pub fn deep(events: u32, rounds: u32, url: &str) -> Result<f64> {
    block_on(async {
        let client = connect(url).await?;
        client.batch_execute(TABLE).await?;
        let fill = client.prepare(FILL).await?;
        let events = i64::from(events);
        client.execute(&fill, &[&PAYLOAD, &events]).await?;
        let caller = Caller::new(url, true, Vec::new()).await?;
        let mut millis = Runs::default();
        for _ in 0..rounds {
            let start = Instant::now();
            caller.load_and_insert("deep", 0).await?;
            millis.push(start.elapsed().as_secs_f64() * 1e3);
        }
        Ok(millis.median())
    })
}
