//! The roles that the guide for PostgreSQL describes may do what they have to, and no more.

use std::sync::Arc;

use cqrs_core::prelude::*;
use cqrs_core::{HeldPermissions, Session};
use cqrs_postgres::{Options, Postgres};
use example_catalog::{CreateProduct, GetAllProducts, Notifier, ProductId, ReceiveStock};
use rust_decimal::Decimal;
use test_postgres::Server;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

const GUIDE: &str = include_str!("../../docs/guides/postgres.md");

struct Nobody;

impl Notifier for Nobody {
    fn low_stock(&self, _: &ProductId, _: u32) {}
}

/// The server's URL as this role, which the server trusts to be who it says.
fn url(server: &Server, role: &str) -> String {
    server.url().replace("postgres@", &format!("{role}@"))
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

async fn session(options: Options, url: &str) -> (Dispatcher, Session) {
    let store = options.connect(url).await.expect("a store");
    let dispatcher = Dispatcher::builder()
        .module(example_catalog::module())
        .store(store)
        .authorizer(HeldPermissions)
        .provide::<dyn Notifier>(Arc::new(Nobody))
        .build()
        .await
        .expect("it is wired");
    let actor = Actor::new("ann").with("catalog:read").with("catalog:write");
    let session = dispatcher.session().actor(actor);
    (dispatcher, session)
}

/// Writes to the log and the read models, and reads them.
async fn use_it(session: &Session) {
    let product_id: ProductId = "P001".parse().expect("an id");
    let create = CreateProduct {
        product_id: product_id.clone(),
        name: "Laptop".to_owned(),
        description: String::new(),
        price: Decimal::ONE,
    };
    session.execute(create).await.expect("it is created");
    let receive = ReceiveStock {
        product_id,
        units: 7,
    };
    session.execute(receive).await.expect("it is received");
    let all = session.query(GetAllProducts::default()).await;
    assert_eq!(all.expect("an answer").items[0].stock, 7);
}

async fn is_denied(client: &Client, statement: &str) {
    let error = client.batch_execute(statement).await.expect_err(statement);
    let code = error.code();
    assert_eq!(code, Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}");
}

/// Roles are of the whole server, so the test has one of its own.
#[tokio::test]
async fn the_roles_of_the_guide_have_the_rights_they_need() {
    let test = "the_roles_of_the_guide_have_the_rights_they_need";
    let Some(server) = Server::private(test) else {
        return;
    };
    let owner = connect(server.url()).await;
    let grants = GUIDE.split("```sql\n").nth(1).expect("the guide has it");
    let (grants, _) = grants.split_once("```").expect("it ends");
    let migrations = Postgres::options().migrations().expect("a script");
    for script in [&migrations, grants, &migrations] {
        owner.batch_execute(script).await.expect("it is applied");
    }

    let (writer, reader) = (url(&server, "writer"), url(&server, "reader"));
    let options = Postgres::options().migrate(false).read_url(&reader);
    let (_dispatcher, session) = session(options, &writer).await;
    use_it(&session).await;

    let reader = connect(&reader).await;
    let select = "SELECT payload FROM cqrs.events_json";
    assert_eq!(reader.query(select, &[]).await.expect("rows").len(), 2);
    for statement in [
        "INSERT INTO cqrs.checkpoints VALUES ('x', 1)",
        "UPDATE cqrs.head SET position = 0",
        "DELETE FROM cqrs.events",
        "CREATE TABLE cqrs.x ()",
    ] {
        is_denied(&reader, statement).await;
    }
    is_denied(&connect(&writer).await, "DROP TABLE cqrs.events").await;
}

#[tokio::test]
async fn a_writer_without_delete_can_write() {
    let Some(server) = Server::private("a_writer_without_delete_can_write") else {
        return;
    };
    let owner = connect(server.url()).await;
    let migrations = Postgres::options().migrations().expect("a script");
    let grants = "CREATE ROLE writer LOGIN; GRANT USAGE, CREATE ON SCHEMA cqrs TO writer; \
                  GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA cqrs TO writer";
    for script in [&migrations, grants] {
        owner.batch_execute(script).await.expect("it is applied");
    }
    let writer = url(&server, "writer");
    let (_dispatcher, session) = session(Postgres::options(), &writer).await;
    use_it(&session).await;
    let client = connect(&writer).await;
    is_denied(&client, "DELETE FROM cqrs.events").await;
    // As while other processes write the same aggregates.
    let lease =
        "SELECT cqrs.lease_tags(gen_random_uuid(), '{a:1}', '{1}', '{1}', '{}', '1 second')";
    client.batch_execute(lease).await.expect("it queues");
}

#[tokio::test]
async fn a_writer_that_migrates_needs_the_right_to_make_schemas() {
    let test = "a_writer_that_migrates_needs_the_right_to_make_schemas";
    let Some(server) = Server::private(test) else {
        return;
    };
    let owner = connect(server.url()).await;
    let role = "CREATE ROLE writer LOGIN";
    owner.batch_execute(role).await.expect("a role");
    let writer = url(&server, "writer");
    let refused = Postgres::connect(&writer).await.expect_err("no right yet");
    assert!(
        refused.to_string().contains("permission denied"),
        "{refused}"
    );

    let grant = "GRANT CREATE ON DATABASE postgres TO writer";
    owner.batch_execute(grant).await.expect("it is granted");
    let (_dispatcher, session) = session(Postgres::options(), &writer).await;
    use_it(&session).await;
}
