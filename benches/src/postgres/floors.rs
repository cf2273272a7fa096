//! The highest rate at which the database takes rows.

use super::{RUNS, Stage, raw};
use crate::Result;
use crate::report::{Report, Row};
use crate::runs::Runs;

/// The median of the rows per second that COPY writes.
pub fn run(stage: &Stage, report: &mut Report) -> Result<f64> {
    let database = &stage.database;
    let rows = if stage.quick { 20_000 } else { 200_000 };
    let [mut copy, mut unnest] = std::array::from_fn(|_| Runs::default());
    for _ in 0..RUNS {
        copy.push(raw::copy(rows, &database.fresh()?)?);
        unnest.push(raw::unnest(rows, &database.fresh()?)?);
    }
    let most = copy.median();
    let mut row = |who: &str, runs: Runs| {
        report.row(Row::new("rows into PostgreSQL", who, "rows/s", runs));
    };
    row("COPY, one commit", copy);
    row(
        "INSERT of 500 rows by unnest per commit, one connection",
        unnest,
    );
    Ok(most)
}
