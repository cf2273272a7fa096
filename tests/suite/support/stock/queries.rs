//! The query handlers of both stores.

pub mod on_sqlite {
    use cqrs_core::prelude::*;
    use cqrs_sqlite::Sqlite;

    use crate::support::stock::messages::{Labels, Pieces};

    cqrs_core::module!();

    #[query_handler]
    async fn pieces(query: Pieces, sql: ReadTx<Sqlite>) -> Result<i64> {
        let select = "SELECT coalesce(sum(pieces), 0) FROM stock WHERE article = ?1";
        let pieces = sql.run(move |sql| sql.query_row(select, [query.article], |row| row.get(0)));
        Ok(pieces.await?)
    }

    #[query_handler]
    async fn labels(query: Labels, sql: ReadTx<Sqlite>) -> Result<Vec<i64>> {
        let labels = sql.run(move |sql| {
            let select = "SELECT number FROM labels WHERE article = ?1 ORDER BY number";
            sql.prepare(select)?
                .query_map([query.article], |row| row.get(0))?
                .collect()
        });
        Ok(labels.await?)
    }
}

pub mod on_postgres {
    use cqrs_core::prelude::*;
    use cqrs_postgres::Postgres;

    use crate::support::stock::messages::{Labels, Pieces};

    cqrs_core::module!();

    #[query_handler]
    async fn pieces(query: Pieces, sql: ReadTx<Postgres>) -> Result<i64> {
        let select = "SELECT pieces FROM stock WHERE article = $1";
        let row = sql.query_opt(select, &[&i64::from(query.article)]).await?;
        Ok(row.map_or(0, |row| row.get(0)))
    }

    #[query_handler]
    async fn labels(query: Labels, sql: ReadTx<Postgres>) -> Result<Vec<i64>> {
        let select = "SELECT number FROM labels WHERE article = $1 ORDER BY number";
        let rows = sql.query(select, &[&i64::from(query.article)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
