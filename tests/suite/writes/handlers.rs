//! The handlers of both stores, which record the same statements.

/// Valid on both stores: SQLite takes `$1` as the first parameter, too.
pub const ADD: &str = "INSERT INTO stock (article, pieces) VALUES ($1, $2) \
                       ON CONFLICT (article) DO UPDATE SET pieces = stock.pieces + excluded.pieces";

pub const WRITE: &str = "INSERT INTO journal (place, line) \
                         SELECT coalesce(max(place), 0) + 1, $1 FROM journal";

macro_rules! command_handlers {
    ($store:ty) => {
        use cqrs_core::prelude::*;

        use super::{ADD, WRITE};
        use crate::support::stock::messages::{
            Count, Counted, Label, Labeled, Move, Moved, Receive, Received,
        };
        use crate::writes::messages::{Abort, Ending, Journal, Statement, Swap, Try};

        cqrs_core::module!();

        #[command_handler]
        fn receive(cmd: Receive, _: &Counted, writes: &mut Writes<$store>) -> Received {
            writes.execute(ADD, (i64::from(cmd.article), cmd.pieces));
            for line in ["first", "second"] {
                writes.execute(WRITE, [format!("{line} {}", cmd.article)]);
            }
            Received {
                article: cmd.article,
                pieces: cmd.pieces,
            }
        }

        #[command_handler]
        fn abort(cmd: Abort, _: &Counted, writes: &mut Writes<$store>) -> Result<(), CommandError> {
            writes.execute(ADD, (i64::from(cmd.article), 5_i64));
            match cmd.ending {
                Ending::Rejects => Err(Rejected::from("as told").into()),
                Ending::Fails => Err(CommandError::failed(Error::message("as told"))),
                Ending::Panics => panic!("as told"),
            }
        }

        #[command_handler]
        fn attempt(cmd: Try, _: &Counted, writes: &mut Writes<$store>) -> Received {
            let article = i64::from(cmd.article);
            writes.execute(ADD, (article, 1_i64));
            match cmd.statement {
                Statement::UnknownTable => writes.execute("DELETE FROM nowhere", ()),
                Statement::NoSql => writes.execute("DELETE everything", ()),
                Statement::Empty => writes.execute("", ()),
                Statement::TwoStatements => {
                    writes.execute("DELETE FROM stock; DELETE FROM stock", ());
                }
                Statement::DoubledKey => {
                    let insert = "INSERT INTO stock (article, pieces) VALUES ($1, 1)";
                    writes.execute(insert, (article,));
                }
                Statement::TooFewParameters => writes.execute(ADD, (article,)),
                Statement::TooManyParameters => writes.execute(ADD, [article, 1, 2]),
                Statement::Commit => writes.execute("COMMIT", ()),
                Statement::RollBack => writes.execute("ROLLBACK", ()),
                Statement::Begin => writes.execute("BEGIN", ()),
                Statement::Savepoint => writes.execute("SAVEPOINT mine", ()),
                Statement::TooMany => {
                    for _ in 0..1000 {
                        writes.execute(ADD, (article, 1_i64));
                    }
                }
                Statement::WrongType => writes.execute(ADD, (1_i32, 1_i64)),
                Statement::Orphan => {
                    writes.execute("INSERT INTO parts (article) VALUES ($1)", (-article - 1,));
                }
                Statement::TooLarge => writes.execute(WRITE, ["x".repeat(65 << 20)]),
            }
            writes.execute(ADD, (article, 1_i64));
            Received {
                article: cmd.article,
                pieces: 2,
            }
        }

        #[command_handler]
        async fn move_one(
            cmd: Move,
            _from: &Counted,
            _to: &Counted,
            writes: &mut Writes<$store>,
        ) -> Moved {
            let update = "UPDATE stock SET pieces = pieces + $1 WHERE article = $2";
            for (article, pieces) in [(cmd.from, -1_i64), (cmd.to, 1)] {
                writes.execute(update, (pieces, i64::from(article)));
            }
            Moved {
                from: cmd.from,
                to: cmd.to,
            }
        }

        #[command_handler]
        fn label(cmd: Label, counted: &Counted, writes: &mut Writes<$store>) -> Labeled {
            let insert = "INSERT INTO labels (article, number) VALUES ($1, $2)";
            writes.execute(insert, (i64::from(cmd.article), counted.labels + 1));
            Labeled {
                article: cmd.article,
            }
        }

        #[command_handler]
        fn count(cmd: Count, writes: &mut Writes<$store>) {
            writes.execute(ADD, (i64::from(cmd.article), cmd.pieces));
        }
    };
}

pub mod on_sqlite {
    use cqrs_sqlite::Sqlite;

    command_handlers!(Sqlite);

    #[command_handler]
    fn swap(cmd: Swap, _from: &Counted, _to: &Counted) -> Moved {
        Moved {
            from: cmd.from,
            to: cmd.to,
        }
    }

    #[query_handler]
    async fn journal(_: Journal, sql: ReadTx<Sqlite>) -> Result<Vec<String>> {
        let lines = sql.run(move |sql| {
            sql.prepare("SELECT line FROM journal ORDER BY place")?
                .query_map([], |row| row.get(0))?
                .collect()
        });
        Ok(lines.await?)
    }
}

pub mod on_postgres {
    use cqrs_postgres::Postgres;

    command_handlers!(Postgres);

    #[command_handler]
    async fn swap(
        cmd: Swap,
        _from: &Counted,
        _to: &Counted,
        tx: &mut Tx<Postgres>,
    ) -> Result<Moved, CommandError> {
        let update = "UPDATE stock SET pieces = pieces + $1 WHERE article = $2";
        for (article, pieces) in [(cmd.from, -1_i64), (cmd.to, 1)] {
            tx.execute(update, &[&pieces, &i64::from(article)])
                .await
                .map_err(CommandError::failed)?;
        }
        Ok(Moved {
            from: cmd.from,
            to: cmd.to,
        })
    }

    #[query_handler]
    async fn journal(_: Journal, sql: ReadTx<Postgres>) -> Result<Vec<String>> {
        let rows = sql
            .query("SELECT line FROM journal ORDER BY place", &[])
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

/// Handlers with inputs that exclude each other.
pub mod wrong {
    use cqrs_core::prelude::*;
    use cqrs_sqlite::Sqlite;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Twice;

    #[command_handler]
    fn twice(_: Twice, _: &mut Writes<Sqlite>, _: &mut Writes<Sqlite>) {}

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Both;

    #[command_handler]
    fn both(_: Both, _: &mut Tx<Sqlite>, _: &mut Writes<Sqlite>) {}
}
