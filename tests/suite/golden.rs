//! Payloads of all versions of an event, kept as golden files, still fit.

use cqrs_core::prelude::*;
use cqrs_core::testing::verify_payloads;

cqrs_core::module!();

#[derive(Event, Serialize, Deserialize)]
#[event(name = "price-set", version = 3)]
pub struct PriceSet {
    cents: u32,
    #[serde(default)]
    discounts: Vec<Discount>,
}

#[derive(Serialize, Deserialize)]
pub struct Discount {
    percent: f64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "stock-counted", version = 1)]
pub struct StockCounted {
    #[serde(skip_serializing)]
    #[allow(dead_code)] // It is never written: that is what is wrong with it.
    counter: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "shop-closed", version = 1)]
pub struct ShopClosed;

const FITTING: [(&str, u32, &str); 3] = [
    ("price-set", 2, r#"{"cents":995,"currency":"EUR"}"#),
    (
        "price-set",
        3,
        r#"{"cents":995,"discounts":[{"percent":2.5}]}"#,
    ),
    ("shop-closed", 1, "null"),
];

fn problems(payloads: &[(&str, u32, &str)]) -> Vec<String> {
    let payloads = payloads.to_vec();
    let verify = || verify_payloads(module(), payloads);
    let panic = std::panic::catch_unwind(verify).expect_err("does not fit");
    let text = *panic.downcast::<String>().expect("a text");
    let mut lines = text.lines().map(|line| line.trim().to_owned());
    let title = lines.next();
    assert_eq!(
        title.as_deref(),
        Some("payloads that were recorded do not fit:")
    );
    lines.collect()
}

/// That of `StockCounted` never does.
fn other_problems(payloads: &[(&str, u32, &str)]) -> Vec<String> {
    let mut problems = problems(payloads);
    problems.retain(|problem| !problem.contains("`stock-counted`"));
    problems
}

#[test]
fn payloads_that_fit_are_no_problem() {
    assert_eq!(other_problems(&FITTING), [""; 0]);
}

#[test]
fn a_payload_that_does_not_fit_is_named_with_its_version_and_field() {
    let mut payloads = FITTING.to_vec();
    payloads.push((
        "price-set",
        2,
        r#"{"cents":1,"discounts":[{"percent":1},{}]}"#,
    ));
    let problems = other_problems(&payloads);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let expected = "event `price-set` (version 2): cannot be read: `discounts[1]";
    assert!(problems[0].starts_with(expected), "{problems:?}");
    assert!(
        problems[0].contains("missing field `percent`"),
        "{problems:?}"
    );
}

#[test]
fn a_payload_that_could_not_be_recorded_again_is_a_problem() {
    let mut payloads = FITTING.to_vec();
    payloads.push(("stock-counted", 1, r#"{"counter":"Ann"}"#));
    let problems = problems(&payloads);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let expected = "event `stock-counted` (version 1): cannot be recorded again: ";
    assert!(problems[0].starts_with(expected), "{problems:?}");
}

#[test]
fn events_and_versions_without_payloads_are_problems() {
    assert_eq!(
        problems(&[("price-set", 1, r#"{"cents":1}"#)]),
        [
            "event `price-set` (version 2) has no payload: give one as it is recorded",
            "event `price-set` (version 3) has no payload: give one as it is recorded",
            "event `shop-closed` (version 1) has no payload: give one as it is recorded",
            "event `stock-counted` (version 1) has no payload: give one as it is recorded",
        ]
    );
}

#[test]
fn payloads_of_no_event_or_version_are_problems() {
    let mut payloads = FITTING.to_vec();
    payloads.push(("price-st", 1, "{}"));
    payloads.push(("price-set", 4, r#"{"cents":1}"#));
    let module = module().path();
    assert_eq!(
        other_problems(&payloads),
        [
            format!("there is no event `price-st` in module `{module}`"),
            "event `price-set` (version 4): there is no such version, the newest is 3".to_owned(),
        ]
    );
}
