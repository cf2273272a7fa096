// A `Some` of nothing is what some of the tests are about.
#![allow(clippy::option_option)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;

use proptest::num::f64::ANY;
use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::*;

fn refused<T: Json>(value: &T) -> String {
    encode(value).expect_err("is refused").to_string()
}

fn message<T: Json>(json: &[u8]) -> Result<T, Invalid> {
    let limits = MessageLimits {
        bytes: usize::MAX,
        depth: 64,
    };
    decode_message(json, limits).expect("does not panic")
}

fn round_trips<T: Serialize + Json + PartialEq + Debug>(value: &T) {
    let json = encode(value).expect("is written");
    assert_eq!(decode::<T>(&json).as_ref(), Ok(value));
    let plain = serde_json::to_vec(value).expect("is written");
    assert_eq!(json, plain, "as serde_json writes it");
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Line {
    sku: String,
    price: f64,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Order {
    lines: Vec<Line>,
    discounts: BTreeMap<String, Option<f32>>,
    note: Option<Option<String>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Box(f64, f64),
    Label { text: Option<()> },
}

fn order(price: f64) -> Order {
    let line = |price| Line {
        sku: "A".into(),
        price,
    };
    Order {
        lines: vec![line(1.0), line(2.0), line(price)],
        ..Order::default()
    }
}

#[test]
fn a_number_that_is_not_finite_is_refused_with_its_path() {
    assert_eq!(
        refused(&order(f64::NAN)),
        "`lines[2].price`: JSON has no NaN: use a finite number"
    );
    assert_eq!(
        refused(&order(f64::INFINITY)),
        "`lines[2].price`: JSON has no infinity: use a finite number"
    );
    assert_eq!(
        refused(&order(f64::NEG_INFINITY)),
        "`lines[2].price`: JSON has no negative infinity: use a finite number"
    );
    assert_eq!(refused(&f64::NAN), "JSON has no NaN: use a finite number");
}

#[test]
fn a_number_that_is_not_finite_is_found_wherever_it_is() {
    let discounts = BTreeMap::from([("spring".to_owned(), Some(f32::NAN))]);
    let in_a_map = Order {
        discounts,
        ..Order::default()
    };
    assert!(refused(&in_a_map).starts_with("`discounts.spring`: JSON has no NaN"));
    assert!(refused(&Shape::Circle(f64::NAN)).starts_with("`Circle`: "));
    assert!(refused(&Shape::Box(0.0, f64::NAN)).starts_with("`Box[1]`: "));
    assert!(refused(&vec![(1, [0.0, f64::INFINITY])]).starts_with("`[0][1][1]`: "));
    assert!(refused(&BTreeMap::from([(7, f64::NAN)])).starts_with("`7`: "));
}

#[test]
fn a_some_of_nothing_is_refused_since_it_would_read_as_none() {
    let empty = Order {
        note: Some(None),
        ..Order::default()
    };
    let reason = "JSON has `null` for this `Some`, which reads as `None`";
    assert_eq!(refused(&empty), format!("`note`: {reason}"));
    assert_eq!(refused(&Some(())), reason);
    assert_eq!(refused(&Some(Value::Null)), reason);
    let label = Shape::Label { text: Some(()) };
    assert_eq!(refused(&label), format!("`Label.text`: {reason}"));
}

#[test]
fn what_the_type_reads_back_is_not_refused() {
    /// Tells a field that is absent from one that is `null`.
    fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Option<u32>>, D::Error> {
        Option::deserialize(reader).map(Some)
    }

    fn null_is_nan<'de, D: Deserializer<'de>>(reader: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(reader)?.unwrap_or(f64::NAN))
    }

    #[derive(Serialize, Deserialize)]
    struct Patch {
        #[serde(
            default,
            deserialize_with = "present",
            skip_serializing_if = "Option::is_none"
        )]
        limit: Option<Option<u32>>,
        #[serde(deserialize_with = "null_is_nan")]
        ratio: f64,
    }

    let patch = |limit, ratio| Patch { limit, ratio };
    assert!(encode(&patch(Some(None), 1.0)).is_ok());
    assert!(encode(&patch(Some(None), f64::NAN)).is_ok());
    let infinite = refused(&patch(Some(None), f64::INFINITY));
    assert!(
        infinite.starts_with("`ratio`: JSON has no infinity"),
        "{infinite}"
    );
}

#[test]
fn what_serde_cannot_read_back_is_refused_with_its_path() {
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Counted { counts: BTreeMap<u32, u32> },
        Large { number: u128 },
    }

    #[derive(Serialize, Deserialize)]
    struct Flattened {
        #[serde(flatten)]
        counts: BTreeMap<u32, u32>,
    }

    #[derive(Serialize, Deserialize)]
    struct Skipped {
        id: u32,
        #[serde(skip_serializing)]
        secret: String,
    }

    let counts = BTreeMap::from([(1, 1)]);
    let tagged = Tagged::Counted {
        counts: counts.clone(),
    };
    let cannot = "its JSON cannot be read back: ";
    assert!(refused(&tagged).contains(cannot));
    assert!(refused(&Tagged::Large { number: u128::MAX }).contains("u128"));
    assert!(refused(&Flattened { counts }).contains(cannot));
    let skipped = Skipped {
        id: 1,
        secret: "s".into(),
    };
    let refused = refused(&skipped);
    assert_eq!(skipped.secret, "s");
    assert!(refused.contains("missing field `secret`"), "{refused}");
    round_trips(&u128::MAX);
    round_trips(&BTreeMap::from([(1u32, u128::MAX)]));
}

#[test]
fn what_fails_to_be_written_is_refused_with_its_path() {
    #[derive(Default, Serialize, Deserialize)]
    struct Sizes {
        by_pair: Vec<HashMap<BTreeSet<u32>, u32>>,
    }
    let map = HashMap::from([(BTreeSet::from([1]), 1)]);
    let sizes = Sizes {
        by_pair: vec![HashMap::new(), map],
    };
    assert_eq!(refused(&sizes), "`by_pair[1]`: key must be a string");
}

#[test]
fn what_is_nested_too_deeply_to_be_read_is_refused() {
    let nested = |depth| (0..depth).fold(json!({}), |inner, _| json!([inner]));
    round_trips(&nested(126));
    let refused = refused(&nested(127));
    assert!(refused.contains("recursion limit exceeded"), "{refused}");
    assert!(refused.contains("..") && refused.len() < 300, "{refused}");
}

#[test]
fn a_struct_without_fields_is_an_object_and_reads_from_any() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Empty {}

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Grown {
        #[serde(default)]
        count: u32,
    }

    assert_eq!(encode(&Unit).as_deref(), Ok(&b"{}"[..]));
    for json in [
        "null",
        " null ",
        "{}",
        r#"{"lost":[1,{"a":null}],"more":2}"#,
    ] {
        assert_eq!(decode(json.as_bytes()), Ok(Unit), "{json}");
        assert_eq!(decode(json.as_bytes()), Ok(Empty {}), "{json}");
        assert_eq!(decode(json.as_bytes()), Ok(Grown { count: 0 }), "{json}");
        assert_eq!(message(json.as_bytes()), Ok(Unit), "{json}");
        assert_eq!(message(json.as_bytes()), Ok(Empty {}), "{json}");
    }
    assert_eq!(message(b""), Ok(Unit));
    assert_eq!(message(b""), Ok(Empty {}));
    for json in ["1", "\"\"", "[1]", "true", "{", "{} {}", "nul"] {
        assert!(decode::<Unit>(json.as_bytes()).is_err(), "{json}");
    }
    // A unit inside of something else is what serde makes of it.
    round_trips(&vec![Unit]);
}

#[test]
fn a_caller_cannot_send_nothing_for_a_message_with_fields() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Reset {
        #[serde(default)]
        to: u32,
    }
    let missing = message::<Reset>(b"").expect_err("is no JSON");
    assert!(missing.reason.starts_with("EOF"), "{missing}");
    let null = message::<Reset>(b"null").expect_err("is no object");
    assert!(null.reason.contains("expected struct Reset"), "{null}");
    assert_eq!(message(b"{}"), Ok(Reset { to: 0 }));
}

#[test]
fn a_message_is_not_an_array() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Move {
        from: u32,
        to: u32,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Empty {}

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Numbers(Vec<u32>);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        moved: Move,
    }
    for json in ["[1,2]", " [ 1, 2 ] ", "[]", "[[1]]"] {
        let error = message::<Move>(json.as_bytes()).expect_err(json);
        assert!(error.reason.contains("JSON object"), "{json}: {error}");
        assert!(message::<Empty>(json.as_bytes()).is_err(), "{json}");
        assert!(message::<Unit>(json.as_bytes()).is_err(), "{json}");
        assert!(message::<Flat>(json.as_bytes()).is_err(), "{json}");
    }
    assert_eq!(
        message(br#"{"to":2,"from":1}"#),
        Ok(Move { from: 1, to: 2 })
    );
    // serde leaves the format of other types to their own implementations.
    assert_eq!(message(b"[1,2]"), Ok(Numbers(vec![1, 2])));
}

#[test]
fn none_of_a_transparent_option_stays_none() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Limit {
        value: Option<BTreeMap<String, u32>>,
    }
    round_trips(&Limit { value: None });
    round_trips(&Limit {
        value: Some(BTreeMap::new()),
    });
}

#[test]
fn json_is_utf_8() {
    // The invalid byte is in a string that the type ignores.
    let json = b"{\"sku\":\"A\",\"price\":1.0,\"note\":\"\xff\"}";
    let problem = "invalid utf-8 sequence of 1 bytes from index 31";
    let stored = decode::<Line>(json).expect_err("is refused");
    assert_eq!(stored.to_string(), problem);
    let sent = message::<Line>(json).expect_err("is refused");
    assert!(sent.to_string().contains(problem), "{sent}");
}

#[test]
fn an_error_of_reading_names_the_field() {
    let json = br#"{"lines":[{"sku":"A","price":"high"}],"discounts":{},"note":null}"#;
    let error = decode::<Order>(json).expect_err("does not fit");
    assert_eq!(error.field.as_deref(), Some("lines[0].price"));
    let json = br#"{"lines":[{"sku":"A"}],"discounts":{},"note":null}"#;
    let error = decode::<Order>(json).expect_err("lacks a price");
    assert_eq!(error.field.as_deref(), Some("lines[0].price"));
    let error = decode::<Order>(br#"{"lines":[]}"#).expect_err("lacks the discounts");
    assert_eq!(error.field.as_deref(), Some("discounts"));
}

#[test]
fn a_fingerprint_is_of_what_serde_writes() {
    #[derive(Serialize, Deserialize)]
    struct Unit;

    let text = |value: &Order| {
        let mut text = b"Place".to_vec();
        fingerprint(value, &mut text).map(|()| text)
    };
    let plain = serde_json::to_string(&order(1.5)).expect("is written");
    assert_eq!(text(&order(1.5)), Ok(format!("Place{plain}").into_bytes()));
    let nan = text(&order(f64::NAN)).expect_err("has no JSON");
    assert_eq!(nan.field.as_deref(), Some("lines[2].price"));
    let mut unit = Vec::new();
    fingerprint(&Unit, &mut unit).expect("is written");
    assert_eq!(unit, b"null");
}

/// Any JSON, with numbers that JSON has.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ANY.prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Anything {
    number: f64,
    small: Vec<f32>,
    nested: Option<Box<Anything>>,
    by_name: BTreeMap<String, (u128, Option<f64>)>,
    json: Value,
    unit: (),
}

fn anything() -> impl Strategy<Value = Anything> {
    let by_name =
        prop::collection::btree_map(".{0,4}", (any::<u128>(), prop::option::of(ANY)), 0..3);
    let small = prop::collection::vec(any::<f32>(), 0..3);
    let flat = (ANY, small, by_name, any_json());
    let flat = flat.prop_map(|(number, small, by_name, json)| Anything {
        number,
        small,
        nested: None,
        by_name,
        json,
        unit: (),
    });
    prop::collection::vec(flat, 1..4).prop_map(|parts| {
        let nest = |inner: Option<Box<Anything>>, part| {
            let nested = inner;
            Some(Box::new(Anything { nested, ..part }))
        };
        *parts.into_iter().fold(None, nest).expect("has a part")
    })
}

/// Whether a value is as it would be read: the specification of the check.
fn is_finite(value: &Anything) -> bool {
    value.number.is_finite()
        && value.small.iter().all(|it| it.is_finite())
        && value
            .by_name
            .values()
            .all(|(_, it)| it.is_none_or(f64::is_finite))
        && value.nested.as_deref().is_none_or(is_finite)
}

proptest! {
    #[test]
    fn what_is_written_reads_back_equal(value in anything()) {
        match encode(&value) {
            Ok(json) => {
                prop_assert!(is_finite(&value));
                prop_assert_eq!(decode::<Anything>(&json), Ok(value.clone()));
                prop_assert_eq!(json, serde_json::to_vec(&value).unwrap());
            }
            Err(error) => {
                prop_assert!(!is_finite(&value), "{}", error);
                prop_assert!(error.field.is_some());
            }
        }
    }

    #[test]
    fn reading_never_panics(json in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode::<Anything>(&json);
        let _ = message::<Line>(&json);
    }
}
