use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use cqrs_core::store::EventLog;
use cqrs_umadb::{ConnectError, UmaDb};
use test_umadb::Server;

use super::noted;

/// The result of a connection to this address.
async fn error(url: &str) -> ConnectError {
    let options = UmaDb::options().answer_timeout(Duration::from_millis(100));
    match options.connect(url).await {
        Ok(_) => panic!("there is no UmaDB at {url}"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_read_is_reported_with_what_to_write() {
    for url in [
        "localhost:50051",
        "umadb://",
        "umadb://host:port",
        "umadb://key@host",
    ] {
        let error = error(url).await;
        assert!(matches!(error, ConnectError::Url { .. }), "{url}: {error}");
        assert!(error.to_string().contains("umadb://host:50051"), "{error}");
    }
}

#[tokio::test]
async fn where_no_server_listens_none_is_reached() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = free.local_addr().expect("it has one");
    drop(free);
    let error = error(&format!("umadb://{address}")).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

/// A server that is silent, one that ends connections, and one of another protocol.
#[tokio::test]
async fn what_is_no_umadb_is_no_server_that_is_reached() {
    let answers: [fn() -> Option<&'static [u8]>; 3] = [
        || Some(b""),
        || None,
        || Some(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    ];
    for answer in answers {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has one");
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                if let Some(bytes) = answer() {
                    // The client may have given up.
                    let _ = stream.write_all(bytes);
                    open.push(stream);
                }
            }
        });
        let error = error(&format!("umadb://{address}")).await;
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_server_with_an_api_key_wants_it() {
    let key = ["--api-key", "open-sesame"];
    let Some(server) = Server::start_with("a_server_with_an_api_key_wants_it", &key) else {
        return;
    };
    let error = error(&server.url()).await;
    assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("set `api_key`"), "{error}");

    let options = UmaDb::options().api_key("open-sesame");
    assert!(!format!("{options:?}").contains("open-sesame"));
    let log = options
        .connect(&server.url())
        .await
        .expect("it has the key");
    log.append(noted("book:B")).await.expect("it has the key");

    let options = UmaDb::options().api_key("open\nsesame");
    let refused = options.connect(&server.url()).await;
    assert!(matches!(refused, Err(ConnectError::ApiKey)));
}
