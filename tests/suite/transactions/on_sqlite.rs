//! Handlers and projections with transactions of SQLite.

pub mod handlers {
    use std::future::pending;

    use cqrs_core::prelude::*;
    use cqrs_sqlite::Sqlite;

    use crate::support::stock::messages::{
        Count, Counted, Label, Labeled, Move, Moved, Receive, Received, Taken,
    };
    use crate::transactions::messages::{How, StockError, Take, WriteInAQuery};

    cqrs_core::module!();

    const ADD: &str = "INSERT INTO stock (article, pieces) VALUES (?1, ?2) ON CONFLICT (article) \
                   DO UPDATE SET pieces = stock.pieces + excluded.pieces";

    #[command_handler]
    fn receive(cmd: Receive, tx: &mut Tx<Sqlite>) -> Result<Received, CommandError<Rejected>> {
        let Receive { article, pieces } = cmd;
        tx.execute(ADD, (article, pieces))
            .map_err(CommandError::failed)?;
        Ok(Received { article, pieces })
    }

    #[command_handler]
    async fn take(cmd: Take, tx: &mut Tx<Sqlite>) -> Result<Taken, CommandError<StockError>> {
        let Take {
            article,
            pieces,
            how,
        } = cmd;
        let select = "SELECT pieces FROM stock WHERE article = ?1";
        let there = tx.query_row(select, [article], |row| row.get(0));
        let there = there.map_err(CommandError::failed)?;
        ensure!(pieces <= there, StockError::NotEnough { there });
        tx.execute(ADD, (article, -pieces))
            .map_err(CommandError::failed)?;
        let fails = "SELECT abs(-9223372036854775808)";
        match how {
            How::Well => {}
            How::Rejects => return Err(StockError::NotEnough { there }.into()),
            How::Fails => tx
                .query_row(fails, [], |_| Ok(()))
                .map_err(CommandError::failed)?,
            How::Panics => panic!("as told"),
            How::NeverEnds => pending().await,
            How::Commits => tx.execute_batch("COMMIT").map_err(CommandError::failed)?,
            How::Swallows => assert!(tx.query_row(fails, [], |_| Ok(())).is_err()),
        }
        Ok(Taken { article, pieces })
    }

    #[command_handler]
    fn count(cmd: Count, tx: &mut Tx<Sqlite>) -> Result<(), CommandError<Rejected>> {
        let counted = tx.execute(ADD, (cmd.article, cmd.pieces));
        counted.map(drop).map_err(CommandError::failed)
    }

    #[command_handler]
    fn move_one(cmd: Move, tx: &mut Tx<Sqlite>) -> Result<Moved, CommandError<Rejected>> {
        let update = "UPDATE stock SET pieces = pieces + ?2 WHERE article = ?1";
        for (article, pieces) in [(cmd.from, -1), (cmd.to, 1)] {
            let updated = tx.execute(update, (article, pieces));
            updated.map_err(CommandError::failed)?;
        }
        Ok(Moved {
            from: cmd.from,
            to: cmd.to,
        })
    }

    #[command_handler]
    fn label(
        cmd: Label,
        counted: &Counted,
        tx: &mut Tx<Sqlite>,
    ) -> Result<Labeled, CommandError<Rejected>> {
        let insert = "INSERT INTO labels (article, number) VALUES (?1, ?2)";
        tx.execute(insert, (cmd.article, counted.labels + 1))
            .map_err(CommandError::failed)?;
        let article = cmd.article;
        Ok(Labeled { article })
    }

    #[query_handler]
    async fn write(_: WriteInAQuery, sql: ReadTx<Sqlite>) -> Result<Vec<String>> {
        let deleted = sql.run(|sql| sql.execute("DELETE FROM stock", [])).await;
        Ok(deleted.err().iter().map(ToString::to_string).collect())
    }
}

pub mod sales {
    use cqrs_core::prelude::*;
    use cqrs_sqlite::Sqlite;

    use crate::support::stock::messages::Taken;
    use crate::transactions::messages::{SoldPieces, Totals, UNLUCKY};

    cqrs_core::module!();

    pub struct Sales;

    #[projection(name = "sales", version = 1)]
    impl Sales {
        #[setup]
        fn tables(tx: &mut Tx<Sqlite>) -> Result<()> {
            tx.execute_batch(
                "CREATE TABLE sales (takings INTEGER NOT NULL, pieces INTEGER NOT NULL);
                 INSERT INTO sales VALUES (0, 0)",
            )?;
            Ok(())
        }

        #[on]
        fn taken(event: &Taken, tx: &mut Tx<Sqlite>) -> Result<()> {
            let update = "UPDATE sales SET takings = takings + 1, pieces = pieces + ?1";
            tx.execute(update, [event.pieces])?;
            if event.pieces == UNLUCKY {
                tx.execute_batch("SELECT no_such_function()")?;
            }
            Ok(())
        }
    }

    #[query_handler]
    async fn totals(_: Totals, sql: ReadTx<Sqlite>) -> Result<SoldPieces> {
        let select = "SELECT takings, pieces FROM sales";
        let totals = sql.run(move |sql| {
            sql.query_row(select, [], |row| {
                let (takings, pieces) = (row.get(0)?, row.get(1)?);
                Ok(SoldPieces { takings, pieces })
            })
        });
        Ok(totals.await?)
    }
}

pub mod broken {
    use cqrs_core::prelude::*;
    use cqrs_sqlite::Sqlite;

    use crate::support::stock::messages::Taken;
    use crate::transactions::messages::{SoldPieces, Totals};

    cqrs_core::module!();

    pub struct Broken;

    #[projection(name = "broken", version = 1)]
    impl Broken {
        #[setup]
        fn tables(tx: &mut Tx<Sqlite>) -> Result<()> {
            Ok(tx.execute_batch("CREATE TABLE")?)
        }

        #[on]
        fn taken(_: &Taken) {}
    }

    #[query_handler]
    fn totals(_: Totals) -> SoldPieces {
        let (takings, pieces) = (0, 0);
        SoldPieces { takings, pieces }
    }
}

/// What takes inputs that exclude each other.
pub mod wrong {
    use cqrs_core::prelude::*;
    use cqrs_sqlite::Sqlite;

    use crate::support::stock::messages::{Receive, Taken};

    cqrs_core::module!();

    #[command_handler]
    fn receive(_: Receive, _: &mut Tx<Sqlite>, _: &mut Tx<Sqlite>) {}

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Seen {
        #[key]
        id: u8,
    }

    pub struct Both;

    #[projection(name = "both", version = 1)]
    impl Both {
        #[on]
        fn taken(_: &Taken, _: &mut Views<Seen>, _: &mut Tx<Sqlite>) {}
    }
}
