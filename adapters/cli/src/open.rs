use std::path::Path;

use cqrs_core::Memory;
use cqrs_core::app::Builder;
#[cfg(feature = "postgres")]
use cqrs_postgres::{ConnectError, Postgres};
#[cfg(feature = "sqlite")]
use cqrs_sqlite::Sqlite;
use serde_json::Value;

use crate::address::Database;
use crate::error::CliError;
#[cfg(feature = "postgres")]
use crate::servers;

/// Whether to create a missing store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenMode {
    MustExist,
    CreateIfMissing,
}

/// The servers of a store, if it has some.
#[derive(Clone, Default)]
pub(crate) struct Servers {
    #[cfg(feature = "postgres")]
    postgres: Option<Postgres>,
}

#[cfg_attr(
    not(feature = "postgres"),
    expect(clippy::unused_async, reason = "with the feature, it waits")
)]
impl Servers {
    /// The servers as a table.
    pub(crate) async fn health(&self) -> Option<String> {
        #[cfg(feature = "postgres")]
        if let Some(store) = &self.postgres {
            return Some(servers::table(&store.cluster_health().await));
        }
        None
    }

    pub(crate) async fn health_as_json(&self) -> Value {
        #[cfg(feature = "postgres")]
        if let Some(store) = &self.postgres {
            return servers::as_json(&store.cluster_health().await);
        }
        Value::Null
    }
}

/// The metrics of the servers, if there are some.
#[cfg(feature = "serve")]
pub(crate) struct ClusterGauges {
    #[cfg(feature = "postgres")]
    cluster: cqrs_metrics::ClusterMetrics,
}

#[cfg(feature = "serve")]
#[cfg_attr(
    not(feature = "postgres"),
    expect(clippy::unused_async, reason = "with the feature, it waits")
)]
impl ClusterGauges {
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(feature = "postgres")]
            cluster: cqrs_metrics::ClusterMetrics::new(),
        }
    }

    pub(crate) async fn observe(&self, servers: &Servers) {
        #[cfg(feature = "postgres")]
        if let Some(store) = &servers.postgres {
            self.cluster.observe(&store.cluster_health().await);
        }
        #[cfg(not(feature = "postgres"))]
        let _ = servers;
    }
}

/// Opens a store, and gives it to a builder. `name` is that of the program.
pub(crate) async fn open(
    builder: Builder,
    database: &Database,
    mode: OpenMode,
    name: &str,
) -> Result<(Builder, Servers), CliError> {
    match database {
        Database::Memory => Ok((builder.store(Memory::new()), Servers::default())),
        Database::File(file) => in_file(builder, file, mode).await,
        Database::Postgres { url, schema } => in_schema(builder, (url, schema), mode, name).await,
        Database::UmaDb { url, views } => on_umadb(builder, url, views).await,
    }
}

#[cfg(feature = "sqlite")]
async fn in_file(
    builder: Builder,
    file: &Path,
    mode: OpenMode,
) -> Result<(Builder, Servers), CliError> {
    if mode == OpenMode::MustExist && !file.exists() {
        let file = file.display();
        return Err(CliError::Failed(format!(
            "there is no store `{file}`: `send`, `import` and `serve` create one, `--store` names another"
        )));
    }
    let store = Sqlite::open(file).await?;
    Ok((builder.store(store), Servers::default()))
}

#[cfg(not(feature = "sqlite"))]
#[expect(clippy::unused_async, reason = "with the feature, it waits")]
async fn in_file(_: Builder, _: &Path, _: OpenMode) -> Result<(Builder, Servers), CliError> {
    Err(without_feature("sqlite"))
}

#[cfg(feature = "postgres")]
async fn in_schema(
    builder: Builder,
    (url, schema): (&str, &str),
    mode: OpenMode,
    name: &str,
) -> Result<(Builder, Servers), CliError> {
    let options = Postgres::options()
        .schema(schema)
        .search_path(schema)
        .application_name(name)
        .migrate(mode == OpenMode::CreateIfMissing);
    let store = match options.connect(url).await {
        Err(ConnectError::Older { known, .. }) if mode == OpenMode::MustExist => {
            return Err(CliError::Failed(format!(
                "there is no store of version {known} in the schema `{schema}`: `send`, `import` and \
                 `serve` create one, `--store` and `--schema` name another"
            )));
        }
        connected => connected?,
    };
    let servers = Servers {
        postgres: Some(store.clone()),
    };
    Ok((builder.store(store), servers))
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "with the feature, it waits")]
async fn in_schema(
    _: Builder,
    _: (&str, &str),
    _: OpenMode,
    _: &str,
) -> Result<(Builder, Servers), CliError> {
    Err(without_feature("postgres"))
}

/// The API key is in the environment variable that the server reads, too.
#[cfg(feature = "umadb")]
async fn on_umadb(
    builder: Builder,
    url: &str,
    views: &Path,
) -> Result<(Builder, Servers), CliError> {
    use cqrs_umadb::UmaDb;
    let options = match std::env::var("UMADB_API_KEY") {
        Ok(key) => UmaDb::options().api_key(&key),
        Err(_) => UmaDb::options(),
    };
    let log = options.connect(url).await?;
    let views = Sqlite::open(views).await?;
    Ok((builder.log(log).views(views), Servers::default()))
}

#[cfg(not(feature = "umadb"))]
#[expect(clippy::unused_async, reason = "with the feature, it waits")]
async fn on_umadb(_: Builder, _: &str, _: &Path) -> Result<(Builder, Servers), CliError> {
    Err(without_feature("umadb"))
}

#[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "umadb")))]
fn without_feature(feature: &str) -> CliError {
    CliError::Invalid(format!(
        "this program does not know such stores: its dependency `wired-cqrs-cli` lacks the feature `{feature}`"
    ))
}
