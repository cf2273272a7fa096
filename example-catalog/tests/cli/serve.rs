use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::interrupted::{send_signal, spawn};
use crate::program::Program;

/// The program while it serves.
pub struct Served {
    child: Child,
    pub address: String,
}

impl Served {
    pub fn start(program: &Program, arguments: &[&str]) -> Self {
        let mut all = arguments.to_vec();
        if !all.contains(&"serve") {
            all.push("serve");
        }
        all.extend(["--listen", "127.0.0.1:0"]);
        Self::started(spawn(program, &all))
    }

    fn started(mut child: Child) -> Self {
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self::of(child, address)
    }

    pub fn of(child: Child, address: String) -> Self {
        Self { child, address }
    }

    /// The answer to a `GET`, with its head.
    pub fn text(address: &str, path: &str) -> String {
        Self::text_with(address, path, "catalog", "")
    }

    /// The same to somebody who asks for `host`, with a header.
    pub fn text_with(address: &str, path: &str, host: &str, header: &str) -> String {
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{header}\r\n");
        Self::send(&head, address)
    }

    /// The answer to a request.
    pub fn send(request: &str, address: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("connects");
        stream.write_all(request.as_bytes()).expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("is answered");
        answer
    }

    /// The status and the body of an answer.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.ask_with("", method, path, body)
    }

    /// The same with a header.
    pub fn ask_with(&self, header: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: catalog\r\nconnection: close\r\n{header}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = Self::send(&(head + &body), &self.address);
        let (head, body) = answer.split_once("\r\n\r\n").expect("has a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (
            status.unwrap_or_else(|| panic!("{head}")),
            serde_json::from_str(body).unwrap_or(Value::Null),
        )
    }

    /// Stops it without a word in its log. Returns its exit code.
    pub fn stop(self) -> Option<i32> {
        let (code, log) = self.stop_with_log();
        assert_eq!(log, "");
        code
    }

    pub fn stop_with_log(self) -> (Option<i32>, String) {
        send_signal("TERM", &self.child);
        let ended = self.child.wait_with_output().expect("it ends");
        let log = String::from_utf8_lossy(&ended.stderr).into_owned();
        (ended.status.code(), log)
    }
}

#[test]
fn the_catalog_is_served_until_it_is_told_to_stop() {
    let program = Program::new();
    let served = Served::start(&program, &[]);
    let product = json!({"product_id": "P1", "name": "Lamp", "description": "", "price": "9.99"});
    let (status, receipt) = served.ask("POST", "/commands/CreateProduct", &product);
    assert_eq!((status, &receipt["events"]), (200, &json!(1)), "{receipt}");
    let (status, again) = served.ask("POST", "/commands/CreateProduct", &product);
    assert_eq!(status, 409, "{again}");
    let (status, _) = served.ask("POST", "/commands/CreateProdukt", &product);
    assert_eq!(status, 404);
    let (status, card) = served.ask("GET", "/queries/GetProductById?product_id=P1", &Value::Null);
    assert_eq!(status, 200, "{card}");
    let (status, document) = served.ask("GET", "/openapi.json", &Value::Null);
    let printed: Value = serde_json::from_str(&program.ok(&["openapi"])).expect("is JSON");
    assert_eq!((status, document), (200, printed));
    assert_eq!(served.stop(), Some(0));
    assert_eq!(
        program.ask("GetProductById", r#"{"product_id": "P1"}"#)["name"],
        "Lamp"
    );
}

#[test]
fn a_reader_serves_no_commands() {
    let program = Program::new();
    let served = Served::start(&program, &["--as", "reader"]);
    let product = json!({"product_id": "P1", "name": "Lamp", "description": "", "price": "9.99"});
    let (status, problem) = served.ask("POST", "/commands/CreateProduct", &product);
    assert_eq!(status, 403, "{problem}");
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn a_head_that_does_not_end_is_given_up() {
    let program = Program::new();
    let served = Served::start(&program, &["serve", "--head-timeout", "1"]);
    let mut stream = TcpStream::connect(&served.address).expect("connects");
    let head = b"GET /health/live HTTP/1.1\r\nhost: cat";
    stream.write_all(head).expect("is sent");
    let limit = Some(Duration::from_secs(60));
    stream.set_read_timeout(limit).expect("a limit");
    let mut answer = String::new();
    let ended = stream.read_to_string(&mut answer);
    assert!(
        ended.is_ok() && !answer.contains("200"),
        "{ended:?} {answer}"
    );
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn each_actor_has_a_rate() {
    let program = Program::new();
    let limits = ["serve", "--listen", "127.0.0.1:0", "--max-rate", "2"];
    let served = Served::started(spawn(
        &program,
        &[&limits as &[_], &["--actor-header", "X-User"]].concat(),
    ));
    let query = "/queries/GetCatalogStatistics";
    let ask = |header: &str| served.ask_with(header, "GET", query, &Value::Null);
    let by_ann = [0; 3].map(|_| ask("x-user: ann\r\n").0);
    assert_eq!(by_ann, [200, 200, 429]);
    assert_eq!(ask("x-user: bob\r\n").0, 200);
    // Those without a name are counted by their address.
    assert_eq!([0; 3].map(|_| ask("").0), [401, 401, 429]);
    let health = served.ask("GET", "/health/live", &Value::Null);
    assert_eq!(health.0, 200, "{health:?}");
    assert_eq!(served.stop(), Some(0));
    program
        .run(&["serve", "--max-rate", "0"])
        .fails(2, "--max-rate");
}

pub fn product(id: &str, description: &str) -> Value {
    json!({"product_id": id, "name": "Lamp", "description": description, "price": "9.99"})
}

#[test]
fn options_are_those_of_the_arguments_then_the_environment_then_the_file() {
    let program = Program::new();
    program.write(
        "shop.toml",
        "store = 'from-file.db'\nlisten = '127.0.0.1:1'\nmax_body = 200\nas = 'reader'\n\
         actor_header = 'X-User'\n",
    );
    let mut command = program.command(["serve", "--max-body", "300"]);
    let served = command
        .env("CATALOG_CONFIG", "shop.toml")
        .env("CATALOG_LISTEN", "127.0.0.1:0")
        .env("CATALOG_AS", "editor")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let served = Served::started(served.expect("it runs"));
    let create = "/commands/CreateProduct";
    let (status, problem) = served.ask("POST", create, &product("P1", ""));
    assert_eq!(
        (status, &problem["status"]),
        (401, &json!(401)),
        "{problem}"
    );
    let by_ann = |product: &Value| served.ask_with("x-user: ann\r\n", "POST", create, product);
    assert_eq!(by_ann(&product("P1", &"x".repeat(300))).0, 413);
    let (status, receipt) = by_ann(&product("P1", &"x".repeat(200)));
    assert_eq!(status, 200, "{receipt}");
    assert_eq!(served.stop(), Some(0));
    assert!(!program.path("catalog.db").exists());
    let history = ["--store", "from-file.db", "--json", "history"];
    let event: Value = serde_json::from_str(&program.ok(&history)).expect("JSON");
    assert_eq!(event["actor"], "ann");
}

#[test]
fn headers_that_are_named_become_metadata() {
    let program = Program::new();
    program.write(
        "shop.toml",
        "store = 'shop.db'\nmetadata_header = ['X-Tenant=tenant', 'traceparent']\n",
    );
    let served = Served::start(&program, &["serve", "--config", "shop.toml"]);
    let sent = "x-tenant: acme\r\nX-Other: 1\r\n";
    let create = "/commands/CreateProduct";
    let (status, receipt) = served.ask_with(sent, "POST", create, &product("P1", ""));
    assert_eq!(status, 200, "{receipt}");
    assert_eq!(served.stop(), Some(0));
    let history = ["--store", "shop.db", "--json", "history"];
    let event: Value = serde_json::from_str(&program.ok(&history)).expect("JSON");
    assert_eq!(event["metadata"], json!({"tenant": "acme"}));
}

#[test]
fn health_and_the_document_are_served_beside_the_messages() {
    let program = Program::new();
    let served = Served::start(&program, &["--store", "memory"]);
    for path in ["/health/live", "/health/ready"] {
        let told = served.ask("GET", path, &Value::Null);
        assert_eq!(told, (200, json!({"ok": true})));
    }
    let (status, document) = served.ask("GET", "/openapi.json", &Value::Null);
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    assert!(document["paths"]["/queries/GetProductById"].is_object());
    assert_eq!(served.ask("GET", "/nothing", &Value::Null).0, 404);
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn options_that_are_wrong_are_named_without_secrets() {
    let program = Program::new();
    let serve = ["serve", "--config", "shop.toml"];
    program.run(&serve).fails(3, "cannot read `shop.toml`");
    for (toml, named) in [
        ("listn = '127.0.0.1:1'", "unknown field `listn`"),
        ("listen = 'here'", "listen"),
        ("max_requests = -1", "max_requests"),
        ("head_timeout = 0", "head_timeout"),
        (
            "metadata_header = ['x-tenant=']",
            "\"\" is no key of metadata",
        ),
        (
            "metadata_header = ['x tenant']",
            "that is no name of a header",
        ),
        ("as = 'king'", "there is no role `king`"),
        (
            "store = 'mysql://clerk:p4ssw0rd@host/x'",
            "the address of the store",
        ),
        ("schema = 'shop'", "needs a PostgreSQL database"),
        ("store = 'postgres://clerk:p4ssw0rd@host/x", "shop.toml"),
    ] {
        program.write("shop.toml", toml);
        let run = program.run(&serve);
        run.fails(2, named);
        assert!(!run.err.contains("p4ssw0rd"), "{run:?}");
    }
    program.write("shop.toml", "");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = busy.local_addr().expect("an address").to_string();
    let run = program.run(&[&serve as &[_], &["--listen", &address]].concat());
    run.fails(3, &format!("cannot listen on {address}: "));
}
