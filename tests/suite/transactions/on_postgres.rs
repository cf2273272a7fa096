//! Handlers and projections with transactions of PostgreSQL.

pub mod handlers {
    use std::future::pending;

    use cqrs_core::prelude::*;
    use cqrs_postgres::Postgres;

    use crate::support::stock::messages::{
        Count, Counted, Label, Labeled, Move, Moved, Receive, Received, Taken,
    };
    use crate::transactions::messages::{How, StockError, Take, WriteInAQuery};

    cqrs_core::module!();

    const ADD: &str = "INSERT INTO stock (article, pieces) VALUES ($1, $2) ON CONFLICT (article) \
                   DO UPDATE SET pieces = stock.pieces + excluded.pieces";

    #[command_handler]
    async fn receive(
        cmd: Receive,
        tx: &mut Tx<Postgres>,
    ) -> Result<Received, CommandError<Rejected>> {
        let Receive { article, pieces } = cmd;
        let added = tx.execute(ADD, &[&i64::from(article), &pieces]).await;
        added.map_err(CommandError::failed)?;
        Ok(Received { article, pieces })
    }

    #[command_handler]
    async fn take(cmd: Take, tx: &mut Tx<Postgres>) -> Result<Taken, CommandError<StockError>> {
        let Take {
            article,
            pieces,
            how,
        } = cmd;
        let select = "SELECT pieces FROM stock WHERE article = $1 FOR UPDATE";
        let row = tx.query_one(select, &[&i64::from(article)]).await;
        let there = row.map_err(CommandError::failed)?.get(0);
        ensure!(pieces <= there, StockError::NotEnough { there });
        tx.execute(ADD, &[&i64::from(article), &-pieces])
            .await
            .map_err(CommandError::failed)?;
        match how {
            How::Well => {}
            How::Rejects => return Err(StockError::NotEnough { there }.into()),
            How::Fails => tx
                .batch_execute("SELECT 1 / 0")
                .await
                .map_err(CommandError::failed)?,
            How::Panics => panic!("as told"),
            How::NeverEnds => pending().await,
            How::Commits => tx
                .batch_execute("COMMIT")
                .await
                .map_err(CommandError::failed)?,
            How::Swallows => assert!(tx.batch_execute("SELECT 1 / 0").await.is_err()),
        }
        Ok(Taken { article, pieces })
    }

    #[command_handler]
    async fn count(cmd: Count, tx: &mut Tx<Postgres>) -> Result<(), CommandError<Rejected>> {
        let article = i64::from(cmd.article);
        let counted = tx.execute(ADD, &[&article, &cmd.pieces]).await;
        counted.map(drop).map_err(CommandError::failed)
    }

    #[command_handler]
    async fn move_one(cmd: Move, tx: &mut Tx<Postgres>) -> Result<Moved, CommandError<Rejected>> {
        let update = "UPDATE stock SET pieces = pieces + $2 WHERE article = $1";
        for (article, pieces) in [(cmd.from, -1_i64), (cmd.to, 1)] {
            let updated = tx.execute(update, &[&i64::from(article), &pieces]).await;
            updated.map_err(CommandError::failed)?;
        }
        Ok(Moved {
            from: cmd.from,
            to: cmd.to,
        })
    }

    #[command_handler]
    async fn label(
        cmd: Label,
        counted: &Counted,
        tx: &mut Tx<Postgres>,
    ) -> Result<Labeled, CommandError<Rejected>> {
        let insert = "INSERT INTO labels (article, number) VALUES ($1, $2)";
        tx.execute(insert, &[&i64::from(cmd.article), &(counted.labels + 1)])
            .await
            .map_err(CommandError::failed)?;
        let article = cmd.article;
        Ok(Labeled { article })
    }

    /// Also after it has tried to get out of the transaction.
    #[query_handler]
    async fn write(_: WriteInAQuery, sql: ReadTx<Postgres>) -> Result<Vec<String>> {
        let mut said = Vec::new();
        for statement in [
            "SET TRANSACTION READ WRITE",
            "COMMIT",
            "DELETE FROM stock",
            "ROLLBACK",
        ] {
            if let Err(error) = sql.query(statement, &[]).await {
                said.push(error.to_string());
            }
        }
        Ok(said)
    }
}

pub mod sales {
    use cqrs_core::prelude::*;
    use cqrs_postgres::Postgres;

    use crate::support::stock::messages::Taken;
    use crate::transactions::messages::{SoldPieces, Totals, UNLUCKY};

    cqrs_core::module!();

    pub struct Sales;

    #[projection(name = "sales", version = 1)]
    impl Sales {
        #[setup]
        async fn tables(tx: &mut Tx<Postgres>) -> Result<()> {
            tx.batch_execute(
                "CREATE TABLE sales (takings bigint NOT NULL, pieces bigint NOT NULL);
                 INSERT INTO sales VALUES (0, 0)",
            )
            .await?;
            Ok(())
        }

        #[on]
        async fn taken(event: &Taken, tx: &mut Tx<Postgres>) -> Result<()> {
            let update = "UPDATE sales SET takings = takings + 1, pieces = pieces + $1";
            tx.execute(update, &[&event.pieces]).await?;
            if event.pieces == UNLUCKY {
                tx.batch_execute("SELECT 1 / 0").await?;
            }
            Ok(())
        }
    }

    #[query_handler]
    async fn totals(_: Totals, sql: ReadTx<Postgres>) -> Result<SoldPieces> {
        let row = sql.query_one("SELECT takings, pieces FROM sales", &[]);
        let row = row.await?;
        let (takings, pieces) = (row.get(0), row.get(1));
        Ok(SoldPieces { takings, pieces })
    }
}

/// The next version of `sales`, which counts double.
pub mod sales_again {
    use cqrs_core::prelude::*;
    use cqrs_postgres::Postgres;

    use crate::support::stock::messages::Taken;
    use crate::transactions::messages::{SoldPieces, Totals};

    cqrs_core::module!();

    pub struct Sales;

    #[projection(name = "sales", version = 2)]
    impl Sales {
        #[setup]
        async fn tables(tx: &mut Tx<Postgres>) -> Result<()> {
            tx.batch_execute("DROP TABLE sales; CREATE TABLE sales (pieces bigint NOT NULL)")
                .await?;
            Ok(())
        }

        #[on]
        async fn taken(event: &Taken, tx: &mut Tx<Postgres>) -> Result<()> {
            let insert = "INSERT INTO sales VALUES ($1)";
            tx.execute(insert, &[&(2 * event.pieces)]).await?;
            Ok(())
        }
    }

    #[query_handler]
    async fn totals(_: Totals, sql: ReadTx<Postgres>) -> Result<SoldPieces> {
        let select = "SELECT count(*), coalesce(sum(pieces), 0)::bigint FROM sales";
        let row = sql.query_one(select, &[]).await?;
        let (takings, pieces) = (row.get(0), row.get(1));
        Ok(SoldPieces { takings, pieces })
    }
}

pub mod broken {
    use cqrs_core::prelude::*;
    use cqrs_postgres::Postgres;

    use crate::support::stock::messages::Taken;
    use crate::transactions::messages::{SoldPieces, Totals};

    cqrs_core::module!();

    pub struct Broken;

    #[projection(name = "broken", version = 1)]
    impl Broken {
        #[setup]
        async fn tables(tx: &mut Tx<Postgres>) -> Result<()> {
            Ok(tx.batch_execute("CREATE TABLE").await?)
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
