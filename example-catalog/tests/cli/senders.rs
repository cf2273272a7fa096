//! Who may send what to the program while it serves, and a reader beside it.

use std::io::{BufRead, BufReader};
use std::time::SystemTime;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use test_postgres::Server;
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

use crate::interrupted::spawn;
use crate::program::Program;
use crate::serve::{Served, product};

const SECRET: &str = "a secret of at least thirty-two bytes";

/// The header with a token of somebody who has a role.
fn bearer(name: &str, role: &str, expires_in: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = i64::try_from(now.expect("after 1970").as_secs()).expect("not far");
    let claims = json!({"sub": name, "aud": "catalog", "exp": now + expires_in, "roles": [role]});
    let key = EncodingKey::from_secret(SECRET.as_bytes()).expect("is a key");
    let token = encode(&Header::default(), &claims, &key).expect("is signed");
    format!("authorization: Bearer {token}\r\n")
}

/// The program with tokens, by a file of options.
fn with_tokens(further: &str) -> (Program, Served) {
    let program = Program::new();
    program.write("secret", &format!("{SECRET}\n"));
    let toml =
        format!("token_audience = ['shop', 'catalog']\ntoken_secret_file = 'secret'\n{further}");
    program.write("shop.toml", &toml);
    let served = Served::start(&program, &["serve", "--config", "shop.toml"]);
    (program, served)
}

#[test]
fn a_token_has_the_permissions_of_the_programs_roles() {
    let (program, served) = with_tokens("");
    let create = |header: &str, id: &str| {
        let answered = served.ask_with(header, "POST", "/commands/CreateProduct", &product(id, ""));
        answered.0
    };
    assert_eq!(create("", "P1"), 401);
    assert_eq!(create(&bearer("ann", "editor", -3600), "P1"), 401);
    assert_eq!(create(&bearer("bob", "reader", 60), "P1"), 403);
    assert_eq!(create(&bearer("bob", "king", 60), "P1"), 403);
    assert_eq!(create(&bearer("ann", "editor", 60), "P1"), 200);
    let query = "/queries/GetProductById?product_id=P1";
    let reader = bearer("bob", "reader", 60);
    assert_eq!(served.ask_with(&reader, "GET", query, &Value::Null).0, 200);
    assert_eq!(served.ask("GET", query, &Value::Null).0, 401);
    assert_eq!(served.ask("GET", "/health/ready", &Value::Null).0, 200);
    let (_, document) = served.ask("GET", "/openapi.json", &Value::Null);
    let schemes = &document["components"]["securitySchemes"];
    assert!(schemes.to_string().contains("bearer"), "{schemes}");
    assert_eq!(served.stop(), Some(0));
    let event: Value = serde_json::from_str(&program.ok(&["--json", "history"])).expect("JSON");
    assert_eq!(event["actor"], "ann");
}

#[test]
fn a_file_of_roles_takes_the_place_of_the_programs() {
    let roles = Program::new();
    roles.write(
        "roles.toml",
        "[roles]\nclerk = ['catalog:*']\n[actors]\ncleo = ['clerk']\n",
    );
    let file = roles.path("roles.toml");
    let (_program, served) = with_tokens(&format!("role_permissions = {file:?}\n"));
    let create = |header: &str, id: &str| {
        let answered = served.ask_with(header, "POST", "/commands/CreateProduct", &product(id, ""));
        answered.0
    };
    assert_eq!(create(&bearer("ann", "editor", 60), "P1"), 403);
    assert_eq!(create(&bearer("ann", "clerk", 60), "P1"), 200);
    assert_eq!(create(&bearer("cleo", "nothing", 60), "P2"), 200);
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn halves_of_the_options_of_tokens_are_refused() {
    let program = Program::new();
    program.write("secret", &format!("{SECRET}\n"));
    program.write("short", "hunter2\n");
    let audience = "token_audience = ['catalog']\n";
    for (toml, named) in [
        (
            "token_secret_file = 'secret'\n".to_owned(),
            "`--token-audience`",
        ),
        ("token_issuer = ['x']\n".to_owned(), "`--token-audience`"),
        (audience.to_owned(), "`--token-secret-file`"),
        (
            format!("{audience}token_keys = 'secret'\n"),
            "`secret` is not valid",
        ),
        (
            format!("{audience}token_secret_file = 'short'\n"),
            "`short`: the secret has 7 bytes",
        ),
        (
            format!("{audience}token_secret_file = 'secret'\nactor_header = 'X-User'\n"),
            "not by both",
        ),
        (
            "role_permissions = 'roles.toml'\n".to_owned(),
            "`roles.toml`",
        ),
    ] {
        program.write("shop.toml", &toml);
        let run = program.run(&["serve", "--config", "shop.toml"]);
        run.fails(2, named);
        assert!(
            !run.err.contains("hunter2") && !run.err.contains(SECRET),
            "{run:?}"
        );
    }
    assert!(!program.path("catalog.db").exists());
}

#[test]
fn metrics_have_an_address_of_their_own() {
    let program = Program::new();
    let arguments = [
        "--json",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "127.0.0.1:0",
    ];
    let mut child = spawn(&program, &arguments);
    let mut line = String::new();
    let out = child.stdout.as_mut().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("a line");
    let line: Value = serde_json::from_str(&line).expect("JSON");
    let address = |name: &str| {
        let url = line[name]
            .as_str()
            .and_then(|url| url.strip_prefix("http://"));
        url.unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    let metrics = address("metrics").replace("/metrics", "");
    let served = Served::of(child, address("listening"));
    let create = served.ask("POST", "/commands/CreateProduct", &product("P1", ""));
    assert_eq!(create.0, 200, "{create:?}");
    assert_eq!(served.ask("GET", "/metrics", &Value::Null).0, 404);
    let text = Served::text(&metrics, "/metrics");
    let counted = r#"cqrs_commands_total{command="CreateProduct",outcome="done"} 1"#;
    assert!(text.contains(counted), "{text}");
    assert!(text.contains("cqrs_subscription_lag"), "{text}");
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn a_reader_has_no_route_of_commands_and_makes_no_store() {
    let program = Program::new();
    let only = ["serve", "--only", "queries"];
    program
        .run(&only)
        .fails(3, "there is no store `catalog.db`");
    program.ok(&["send", "CreateProduct", &product("P1", "").to_string()]);
    program.ok(&["ask", "GetProductById", r#"{"product_id": "P1"}"#]);
    let served = Served::start(&program, &only);
    let (status, _) = served.ask("POST", "/commands/CreateProduct", &product("P2", ""));
    assert_eq!(status, 404);
    let (status, card) = served.ask("GET", "/queries/GetProductById?product_id=P1", &Value::Null);
    assert_eq!((status, &card["name"]), (200, &json!("Lamp")));
    let (_, document) = served.ask("GET", "/openapi.json", &Value::Null);
    assert_eq!(document["paths"]["/commands/CreateProduct"], Value::Null);
    assert_eq!(served.stop(), Some(0));
}

/// Roles are of the whole server, so the test has one of its own.
#[test]
fn a_reader_needs_no_right_to_write() {
    let Some(postgres) = Server::private("a_reader_needs_no_right_to_write") else {
        return;
    };
    let owner = Program::on(&["--store", postgres.url()]);
    owner.ok(&["send", "CreateProduct", &product("P1", "").to_string()]);
    owner.ok(&["ask", "GetProductById", r#"{"product_id": "P1"}"#]);
    let runtime = Runtime::new().expect("a runtime");
    let granted = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(postgres.url(), NoTls).await?;
        tokio::spawn(connection);
        let grants = "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA cqrs TO reader; \
                      GRANT SELECT ON ALL TABLES IN SCHEMA cqrs TO reader";
        client.batch_execute(grants).await
    });
    granted.expect("is granted");
    let reader = postgres.url().replace("postgres@", "reader@");
    let program = Program::on(&["--store", &reader]);
    let served = Served::start(&program, &["serve", "--only", "queries"]);
    let (status, card) = served.ask("GET", "/queries/GetProductById?product_id=P1", &Value::Null);
    assert_eq!((status, &card["name"]), (200, &json!("Lamp")), "{card}");
    owner.ok(&["send", "CreateProduct", &product("P2", "").to_string()]);
    owner.ok(&["ask", "GetProductById", r#"{"product_id": "P2"}"#]);
    let (status, card) = served.ask("GET", "/queries/GetProductById?product_id=P2", &Value::Null);
    assert_eq!((status, &card["name"]), (200, &json!("Lamp")), "{card}");
    assert_eq!(served.stop(), Some(0));
}

/// The status and the text of an answer to somebody who asks for `host`.
fn page(served: &Served, host: &str, header: &str, path: &str) -> (u16, String) {
    let answer = Served::text_with(&served.address, path, host, header);
    let (head, body) = answer.split_once("\r\n\r\n").expect("has a head");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    (status.expect("is a status"), body.to_owned())
}

#[test]
fn the_operations_page_is_for_those_with_its_permission() {
    let (_program, served) = with_tokens("ops = true\n");
    let shown = |header: &str, path: &str| page(&served, "catalog.example", header, path);
    assert_eq!(shown("", "/ops").0, 401);
    let (status, refusal) = shown(&bearer("ann", "editor", 60), "/ops");
    assert_eq!(status, 403);
    assert!(
        refusal.contains("it needs the permission `operations:read`"),
        "{refusal}"
    );
    let olga = bearer("olga", "operator", 60);
    let (status, overview) = shown(&olga, "/ops");
    assert_eq!(status, 200);
    for text in [
        "<title>Subscriptions – Product catalog</title>",
        "product-cards",
        "olga",
    ] {
        assert!(overview.contains(text), "{text}: {overview}");
    }
    assert_eq!(shown(&olga, "/ops/events").0, 200);
    assert_eq!(shown(&olga, "/ops/style.css").0, 200);
    // What was counted is on a page, without a scrape.
    let answered = served.ask_with(&olga, "POST", "/commands/CreateProduct", &product("P1", ""));
    assert_eq!(answered.0, 200, "{answered:?}");
    let (_, messages) = shown(&olga, "/ops/messages");
    let counted =
        "CreateProduct</th><td class=\"number\" role=\"cell\" data-label=\"Calls\">1</td>";
    assert!(messages.contains(counted), "{messages}");
    // What is beside it is not hidden by it.
    assert_eq!(shown(&olga, "/queries/GetCatalogStatistics").0, 200);
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn without_known_senders_the_operations_page_is_for_this_machine() {
    let program = Program::new();
    for listen in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1"] {
        let run = program.run(&["serve", "--ops", "--listen", listen]);
        run.fails(
            2,
            &format!("everybody who reaches {listen} could operate the program"),
        );
    }
    assert!(!program.path("catalog.db").exists());
    let served = Served::start(&program, &["--as", "operator", "serve", "--ops"]);
    let shown = |host: &str| page(&served, host, "", "/ops").0;
    assert_eq!(shown("localhost:8080"), 200);
    assert_eq!(shown("127.0.0.1:8080"), 200);
    // A site that has given its name to this machine.
    assert_eq!(shown("evil.example:8080"), 403);
    assert_eq!(served.stop(), Some(0));

    // Nobody is an operator by chance, and there is no page without the option.
    let served = Served::start(&program, &["serve", "--ops"]);
    assert_eq!(page(&served, "localhost", "", "/ops").0, 403);
    assert_eq!(served.stop(), Some(0));
    let served = Served::start(&program, &["--as", "operator", "serve"]);
    assert_eq!(page(&served, "localhost", "", "/ops").0, 404);
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn an_operator_pauses_what_another_process_shows() {
    let program = Program::new();
    let served = Served::start(&program, &["--as", "operator", "serve", "--ops"]);
    let form = "action=pause&name=product-cards&reason=new+tables";
    let answer = Served::send(
        &format!(
            "POST /ops/change HTTP/1.1\r\nhost: {0}\r\norigin: http://{0}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {1}\r\n\r\n{form}",
            served.address,
            form.len()
        ),
        &served.address,
    );
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert!(
        answer.contains("location: /ops/subscription?name=product-cards"),
        "{answer}"
    );
    let status = program.ok(&["--json", "status", "--once"]);
    assert!(status.contains("new tables (clerk)"), "{status}");
    let (code, log) = served.stop_with_log();
    assert_eq!(code, Some(0));
    let has_change = log.contains(" INFO ") && log.contains("new tables (clerk)");
    assert!(has_change, "{log}");
}
