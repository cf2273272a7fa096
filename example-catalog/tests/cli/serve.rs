use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

use serde_json::{Value, json};

use crate::interrupted::{send_signal, spawn};
use crate::program::Program;

/// The program while it serves.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(program: &Program, arguments: &[&str]) -> Self {
        let mut all = arguments.to_vec();
        all.extend(["serve", "--listen", "127.0.0.1:0"]);
        let mut child = spawn(program, &all);
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, address }
    }

    /// The status and the body of an answer.
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = TcpStream::connect(&self.address).expect("connects");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: catalog\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream
            .write_all((head + &body).as_bytes())
            .expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("is answered");
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

    fn stop(self) -> Option<i32> {
        send_signal("TERM", &self.child);
        let ended = self.child.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
        ended.status.code()
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
