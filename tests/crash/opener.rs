//! A process that opens a database, which migrates it, and ends.

use std::process::ExitCode;

use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

/// In SQLite: `FILE`. In PostgreSQL: `URL SCHEMA`, and the schema is the application's name, too.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let opened = match &arguments[..] {
        [file] => Sqlite::open(file)
            .await
            .map(drop)
            .map_err(|error| error.to_string()),
        [url, schema] => Postgres::options()
            .schema(schema)
            .application_name(schema)
            .connect(url)
            .await
            .map(drop)
            .map_err(|error| error.to_string()),
        other => panic!("one or two arguments are expected, not {other:?}"),
    };
    match opened {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("opener: {error}");
            ExitCode::FAILURE
        }
    }
}
