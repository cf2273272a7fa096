//! Whatever is sent, the answer is a problem of the sender, and the server goes on.

use std::time::Duration;

use cqrs_core::Dispatcher;
use cqrs_core::app::HeldPermissions;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use tokio::runtime::Runtime;

use crate::domain::{Gate, in_memory, module};
use crate::server::{Server, send};

/// A name of a message or nearly one.
fn names() -> impl Strategy<Value = String> {
    let known = [
        "Deposit",
        "CloseAccount",
        "Ping",
        "BalanceOf",
        "Repeat",
        "Secret",
    ];
    prop_oneof![
        4 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => "[!-~]{1,12}".prop_map(|name| name.replace(['/', '?', '#', '%', '\\'], "_")),
        1 => vec(any::<u8>(), 1..6).prop_map(|bytes| percent(&bytes)),
    ]
}

fn percent(bytes: &[u8]) -> String {
    let parts: Vec<_> = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
    parts.concat()
}

/// Bytes that are JSON or nearly so.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let json = prop_oneof![
        Just(r#"{"account":1,"cents":5}"#.to_owned()),
        Just(r#"{"account":1,"cents":5,"notes":[{"text":"a"}]}"#.to_owned()),
        Just(r#"{"text":"a","label":"b","numbers":[1]}"#.to_owned()),
        (1_usize..2000).prop_map(|depth| "[".repeat(depth)),
        (1_usize..200).prop_map(|depth| format!(
            "{}1{}",
            "{\"a\":".repeat(depth),
            "}".repeat(depth)
        )),
    ];
    prop_oneof![
        3 => (json, vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)).prop_map(|(json, changes)| {
            let mut bytes = json.into_bytes();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            bytes
        }),
        1 => vec(any::<u8>(), 0..200),
    ]
}

#[test]
fn nothing_that_is_sent_is_a_failure_of_the_server() {
    let runtime = Runtime::new().expect("a runtime");
    let server = runtime.block_on(async {
        let (app, _) = in_memory().await;
        // Positions beyond the head are waited for.
        let builder = Dispatcher::builder().module(module()).stores_of(&app);
        let builder = builder.authorizer(HeldPermissions).provide(Gate::closed());
        let builder = builder.max_wait(Duration::from_millis(1));
        Server::start(builder.build().await.expect("builds")).await
    });
    let methods = ["GET", "POST", "QUERY", "PUT", "DELETE"];
    let header = "[ -~]{0,40}";
    let strategy = (
        proptest::sample::select(methods.to_vec()),
        proptest::sample::select(vec!["commands", "queries"]),
        names(),
        "[ -~]{0,30}".prop_map(|text| {
            text.replace(
                ['#', ' ', '"', '<', '>', '`', '{', '}', '\\', '^', '|'],
                "+",
            )
        }),
        bodies(),
        (
            proptest::option::of(header),
            proptest::option::of(header),
            proptest::option::of(header),
        ),
    );
    let mut runner = TestRunner::new(Config {
        cases: 600,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&strategy, |(method, kind, name, query, body, headers)| {
        let method = Method::from_bytes(method.as_bytes()).expect("is a method");
        let path = format!("{kind}/{name}?{query}");
        let mut request = server.request(method, &path).body(body);
        let content_type = headers.0.unwrap_or_else(|| "application/json".to_owned());
        request = request.header("content-type", content_type);
        for (name, value) in [("idempotency-key", headers.1), ("min-position", headers.2)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let response = runtime.block_on(send(request));
        let status = response.status().as_u16();
        // A position beyond the head is waited for in vain, which is no failure.
        let kind = runtime.block_on(response.text()).expect("has a body");
        prop_assert!(
            status < 500 || kind.contains("problem:behind"),
            "{}: {}",
            status,
            kind
        );
        Ok(())
    });
    result.expect("no failure");
}
