//! SQL in the transaction of the events: seats are taken in a table of the program's own, which
//! changes together with the event or not at all. A projection keeps a table in the transaction of
//! its checkpoint, and a query reads both.
//!
//! `cargo run -p wired-cqrs-sqlite --example sql`

use cqrs_core::prelude::*;
use cqrs_sqlite::{Sqlite, rusqlite};

#[derive(Command, Clone, Serialize, Deserialize)]
struct Book {
    show: u32,
    seats: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "booked", version = 1)]
struct Booked {
    #[id("show")]
    show: u32,
    seats: u32,
}

/// The table decides: it is locked from here until the event is recorded.
#[command_handler]
fn book(Book { show, seats }: Book, tx: &mut Tx<Sqlite>) -> Result<Booked, CommandError> {
    let take = "UPDATE shows SET free = free - ?2 WHERE id = ?1 AND free >= ?2";
    let taken = tx
        .execute(take, (show, seats))
        .map_err(CommandError::failed)?;
    ensure!(
        taken == 1,
        Rejected::from("there are not enough free seats")
    );
    Ok(Booked { show, seats })
}

struct Sales;

#[projection(name = "sales", version = 1)]
impl Sales {
    /// Runs once, before the first event. The next version of the projection makes `sales_2`.
    #[setup]
    fn tables(tx: &mut Tx<Sqlite>) -> Result<()> {
        let create = "CREATE TABLE sales_1 (show INTEGER PRIMARY KEY, bookings INTEGER NOT NULL)";
        Ok(tx.execute_batch(create)?)
    }

    #[on]
    fn booked(event: &Booked, tx: &mut Tx<Sqlite>) -> Result<()> {
        let count = "INSERT INTO sales_1 VALUES (?1, 1)
                     ON CONFLICT DO UPDATE SET bookings = bookings + 1";
        tx.execute(count, [event.show])?;
        Ok(())
    }
}

/// Title, bookings and free seats of every show.
#[derive(Query, Serialize, Deserialize)]
#[query(returns = Vec<(String, u32, u32)>)]
struct Overview;

#[query_handler]
async fn overview(_: Overview, db: ReadTx<Sqlite>) -> Result<Vec<(String, u32, u32)>> {
    let rows = db.run(|sql| {
        let mut select = sql.prepare(
            "SELECT title, coalesce(bookings, 0), free
             FROM shows LEFT JOIN sales_1 ON show = id ORDER BY id",
        )?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect()
    });
    Ok(rows.await?)
}

#[tokio::main]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("theater.db");
    let store = Sqlite::open(&path).await?;
    rusqlite::Connection::open(&path)?.execute_batch(
        "CREATE TABLE shows (id INTEGER PRIMARY KEY, title TEXT, free INTEGER);
         INSERT INTO shows VALUES (1, 'Hamlet', 10), (2, 'Macbeth', 2)",
    )?;
    let theater = Dispatcher::builder().store(store).build().await?;

    theater.execute(Book { show: 1, seats: 4 }).await?;
    let receipt = theater.execute(Book { show: 1, seats: 3 }).await?;
    let refused = theater.execute(Book { show: 2, seats: 3 }).await;
    println!("rejected: {}", refused.expect_err("has two seats"));

    let shows = theater.query(Overview).after(&receipt).await?;
    println!("{shows:?}");
    assert_eq!(shows, [("Hamlet".into(), 2, 3), ("Macbeth".into(), 0, 2)]);
    Ok(())
}
