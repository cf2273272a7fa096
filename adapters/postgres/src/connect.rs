use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::store::{Limits, Recent};
use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fault::Fault;
use crate::loads::Loads;
use crate::news::News;
use crate::row::{self, Head};
use crate::schema::Schema;
use crate::sql::{DURABLE, SESSION, Sql};
use crate::store::Shared;
use crate::writer::{Heads, Turns, Writer};
use crate::{ConnectError, Options, Postgres, migrate, pooler};

/// The first version that is supported, as PostgreSQL numbers them.
const OLDEST: i64 = 140_000;

/// How many of the events that this process wrote stay in memory for those who follow the log, and
/// how many bytes they take: more than what comes while a projection commits a page.
const RECENT: usize = 8192;
const RECENT_BYTES: usize = 8 << 20;

/// How to get a connection that is set up.
#[derive(Clone)]
pub(crate) struct Link {
    config: Config,
    tls: MakeRustlsConnect,
    /// What sessions are set to, for the store's statements and for handlers' own.
    session: String,
    plain: String,
}

impl Link {
    fn new(options: &Options, url: &str) -> Result<Self, ConnectError> {
        let mut config: Config =
            url.parse()
                .map_err(|error: tokio_postgres::Error| ConnectError::Url {
                    reason: Fault::from(error).reason().to_string(),
                })?;
        if config.get_application_name().is_none() {
            config.application_name(&options.application_name);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(options.patience);
        }
        // A peer that is gone without a word is noticed within half a minute.
        config
            .keepalives_idle(Duration::from_secs(10))
            .tcp_user_timeout(Duration::from_secs(30));
        let timeout = options.statement_timeout.as_millis();
        let search_path = options.search_path.as_ref().map_or_else(String::new, |path| {
            let path = path.replace('\'', "''");
            // A backslash is just that, whatever the server's settings say.
            format!("SET standard_conforming_strings = on; SELECT set_config('search_path', '{path}', false)")
        });
        Ok(Self {
            config,
            tls: tls(options)?,
            session: format!("{SESSION}; SET statement_timeout = {timeout}; {DURABLE}"),
            plain: format!("SET statement_timeout = {timeout}; {DURABLE}; {search_path}"),
        })
    }

    /// A connection that is set up, driven by a task of its own until the client is dropped.
    pub(crate) async fn connect(&self) -> Result<Client, Fault> {
        Ok(self.driven().await?.0)
    }

    /// The same, whose statements stay prepared.
    pub(crate) async fn session(&self) -> Result<ClientWrapper, Fault> {
        let (client, driver) = self.driven().await?;
        Ok(ClientWrapper::new(client, driver))
    }

    async fn driven(&self) -> Result<(Client, JoinHandle<()>), Fault> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        // How it ended, every request on the client is told.
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        client.batch_execute(&self.session).await?;
        Ok((client, driver))
    }

    /// A connection that listens, to be driven by whoever has it: each notification's text goes
    /// to `hear`. What is sent on it does not wait for the disk.
    pub(crate) async fn listen(
        &self,
        hear: impl Fn(&str) + Send,
    ) -> Result<(Client, impl Future<Output = ()> + Send), Fault> {
        let (client, mut connection) = self.config.connect(self.tls.clone()).await?;
        let driver = async move {
            while let Some(Ok(message)) = poll_fn(|it| connection.poll_message(it)).await {
                if let AsyncMessage::Notification(notification) = message {
                    hear(notification.payload());
                }
            }
        };
        Ok((client, driver))
    }

    /// Connections for the store's statements.
    fn pool(&self, options: &Options) -> Result<Pool, ConnectError> {
        self.pool_of(&self.session, options)
    }

    /// Connections for handlers' own statements, planned as PostgreSQL sees fit.
    fn plain_pool(&self, options: &Options) -> Result<Pool, ConnectError> {
        self.pool_of(&self.plain, options)
    }

    /// The same for those that may only read.
    fn report_pool(&self, options: &Options) -> Result<Pool, ConnectError> {
        let read_only = "SET default_transaction_read_only = on";
        self.pool_of(&format!("{}; {read_only}", self.plain), options)
    }

    fn pool_of(&self, session: &str, options: &Options) -> Result<Pool, ConnectError> {
        let recycle = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), recycle);
        let session: Arc<str> = session.into();
        let set_up = Hook::async_fn(move |client: &mut ClientWrapper, _| {
            let session = session.clone();
            Box::pin(async move {
                let set_up = client.batch_execute(&session).await;
                set_up.map_err(HookError::Backend)
            })
        });
        Pool::builder(manager)
            .max_size(options.pool_size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(options.patience))
            .create_timeout(Some(options.patience))
            .post_create(set_up)
            .build()
            .map_err(|error| ConnectError::Unreachable {
                reason: error.to_string(),
            })
    }
}

/// The schema that the options name.
pub(crate) fn schema(options: &Options) -> Result<Schema, ConnectError> {
    Schema::new(&options.schema).ok_or_else(|| ConnectError::Schema {
        name: options.schema.clone(),
    })
}

pub(crate) async fn connect(options: &Options, url: &str) -> Result<Postgres, ConnectError> {
    let schema = schema(options)?;
    let sql = Arc::new(Sql::new(&schema));
    let link = Link::new(options, url)?;
    let read_link = match &options.read_url {
        Some(url) => Link::new(options, url)?,
        None => link.clone(),
    };
    let mut client = link.connect().await.map_err(unreachable)?;
    pooler::refuse(&link, &client).await?;
    if check_server(&client, &schema).await? == Role::Replica {
        return Err(ConnectError::Replica);
    }
    if options.migrate {
        migrate::migrate(&mut client, &schema).await?;
    } else {
        migrate::check(&client, &schema).await?;
    }
    let head = read_head(&client, &sql, &schema).await?;
    drop(client);
    let mut reads_replica = false;
    if options.read_url.is_some() {
        let client = read_link.connect().await.map_err(unreachable)?;
        pooler::refuse(&read_link, &client).await?;
        reads_replica = check_server(&client, &schema).await? == Role::Replica;
        if read_head(&client, &sql, &schema).await?.store != head.store {
            return Err(ConnectError::OtherLog);
        }
    }
    let heads = Heads {
        known: watch::Sender::new(head.position),
        written: watch::Sender::new(head.position),
        recent: Arc::new(Recent::new(
            head.position,
            options.window.min(RECENT),
            RECENT_BYTES,
        )),
    };
    let told = heads.written.subscribe();
    let shared = Shared {
        pool: link.pool(options)?,
        reads: read_link.pool(options)?,
        transactions: link.plain_pool(options)?,
        reports: read_link.report_pool(options)?,
        reads_replica,
        _news: News::start(link.clone(), &schema, heads.known.clone(), told),
        writer: Writer::start(link.clone(), sql.clone(), head, heads.clone(), options),
        turns: Turns::new(head.position, options.window),
        loads: Loads::default(),
        link,
        patience: options.patience,
        heads,
        schema,
        sql,
        limits: Limits::default(),
        id: head.store,
    };
    Ok(Postgres::new(shared))
}

#[derive(Debug, PartialEq, Eq)]
enum Role {
    Primary,
    Replica,
}

/// Refuses a server that is too old.
async fn check_server(client: &Client, schema: &Schema) -> Result<Role, ConnectError> {
    let select = "SELECT current_setting('server_version_num')::bigint, \
                  current_setting('server_version'), pg_is_in_recovery()";
    let refused = |error: tokio_postgres::Error| migrate::refused(schema, error.into());
    let row = client.query_one(select, &[]).await.map_err(refused)?;
    if row.try_get::<_, i64>(0).map_err(refused)? < OLDEST {
        return Err(ConnectError::Version {
            version: row.try_get(1).map_err(refused)?,
        });
    }
    let is_replica = row.try_get(2).map_err(refused)?;
    Ok(if is_replica {
        Role::Replica
    } else {
        Role::Primary
    })
}

async fn read_head(client: &Client, sql: &Sql, schema: &Schema) -> Result<Head, ConnectError> {
    let row = client.query_one(&sql.head, &[]).await;
    let head = row.map_err(Fault::from).and_then(|row| row::head(&row));
    head.map_err(|fault| migrate::refused(schema, fault))
}

fn unreachable(fault: Fault) -> ConnectError {
    ConnectError::Unreachable {
        reason: fault.reason().to_string(),
    }
}

/// Trusts the usual certificate authorities, or those that the options name.
fn tls(options: &Options) -> Result<MakeRustlsConnect, ConnectError> {
    let bad = |reason: String| ConnectError::Certificates { reason };
    let mut roots = RootCertStore::empty();
    match &options.root_certificates {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| bad(error.to_string()))?;
                let added = roots.add(certificate);
                added.map_err(|error| bad(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(bad("there is none in it".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| bad(error.to_string()))?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
