//! Watches of queries that read tables with SQL: those of projections, and those that command handlers
//! write with their events.

use std::path::Path;

use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;
use cqrs_sqlite::rusqlite::Connection;

use super::{next, until};

/// A table that command handlers write.
mod stock {
    use cqrs_core::prelude::*;
    use cqrs_sqlite::Sqlite;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Restock {
        pub pieces: i64,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "restocked", version = 1)]
    pub struct Restocked {
        pub pieces: i64,
    }

    #[command_handler]
    fn restock(
        Restock { pieces }: Restock,
        tx: &mut Tx<Sqlite>,
    ) -> Result<Restocked, CommandError<Rejected>> {
        tx.execute("UPDATE stock SET pieces = pieces + ?1", [pieces])
            .map_err(CommandError::failed)?;
        Ok(Restocked { pieces })
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = i64)]
    pub struct PiecesLeft;

    #[query_handler]
    async fn pieces_left(_: PiecesLeft, db: ReadTx<Sqlite>) -> Result<i64> {
        let pieces = db.run(|sql| sql.query_row("SELECT pieces FROM stock", [], |row| row.get(0)));
        Ok(pieces.await?)
    }
}

/// A table of a projection.
mod deliveries {
    use cqrs_core::prelude::*;
    use cqrs_sqlite::Sqlite;

    use super::stock::Restocked;

    cqrs_core::module!();

    pub struct Deliveries;

    #[projection(name = "deliveries", version = 1)]
    impl Deliveries {
        #[setup]
        fn tables(tx: &mut Tx<Sqlite>) -> Result<()> {
            Ok(tx.execute_batch("CREATE TABLE deliveries_1 (pieces INTEGER NOT NULL)")?)
        }

        #[on]
        fn restocked(event: &Restocked, tx: &mut Tx<Sqlite>) -> Result<()> {
            tx.execute("INSERT INTO deliveries_1 VALUES (?1)", [event.pieces])?;
            Ok(())
        }
    }

    /// The pieces that were delivered, and those that are in stock.
    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = (i64, i64))]
    pub struct Delivered;

    #[query_handler]
    async fn delivered(_: Delivered, db: ReadTx<Sqlite>) -> Result<(i64, i64)> {
        let select =
            "SELECT (SELECT coalesce(sum(pieces), 0) FROM deliveries_1), pieces FROM stock";
        let both =
            db.run(move |sql| sql.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?))));
        Ok(both.await?)
    }
}

fn create_stock(path: &Path) {
    let connection = Connection::open(path).expect("SQLite opens");
    let create = "CREATE TABLE stock (pieces INTEGER NOT NULL); INSERT INTO stock VALUES (0)";
    connection.execute_batch(create).expect("it is created");
}

async fn restock(app: &Dispatcher, pieces: i64) -> Receipt {
    let restocked = app.execute(stock::Restock { pieces }).await;
    restocked.expect("it is restocked")
}

/// Without any projection: the log tells.
#[tokio::test(flavor = "multi_thread")]
async fn tables_of_command_handlers_change_with_the_log() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let app = async || {
        let store = Sqlite::open(&path).await.expect("SQLite opens");
        let app = Dispatcher::builder().module(stock::module()).store(store);
        app.build().await.expect("builds")
    };
    let (here, there) = (app().await, app().await);
    create_stock(&path);
    let mut left = here.watch(stock::PiecesLeft);
    assert_eq!(next(&mut left).await.output, 0);
    for pieces in 1..=10 {
        let writer = [&here, &there][usize::from(pieces % 2 == 0)];
        let receipt = restock(writer, 1).await;
        let answer = next(&mut left).await;
        assert_eq!(answer.output, pieces);
        assert!(answer.position >= receipt.last(), "{answer:?}");
    }
    let receipt = restock(&there, 1).await;
    let mut left = here.watch(stock::PiecesLeft).after(&receipt);
    let answer = next(&mut left).await;
    assert_eq!(answer.output, 11);
    assert!(answer.position >= receipt.last(), "{answer:?}");
    let ahead = receipt.last().plus(1);
    let mut left = here.watch(stock::PiecesLeft).after_position(ahead);
    let text = super::error(&mut left).await.to_string();
    assert!(text.starts_with("log `events` reached position"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_projections_are_watched_like_views() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let store = Sqlite::open(&path).await.expect("SQLite opens");
    create_stock(&path);
    let app = Dispatcher::builder()
        .module(stock::module())
        .module(deliveries::module())
        .store(store);
    let app = app.build().await.expect("builds");
    let mut delivered = app.watch(deliveries::Delivered);
    assert_eq!(next(&mut delivered).await.output, (0, 0));
    for pieces in 1..=10 {
        restock(&app, 1).await;
        until(&mut delivered, (pieces, pieces)).await;
    }
}
