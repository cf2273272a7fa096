//! A file of more than 500 lines, since it is one table: pairs of types, the first before a change and the
//! second after it.

use super::{Type, judged};

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    Fits,
    /// With the path of the first mismatch.
    Breaks(&'static str),
}

use Verdict::{Breaks, Fits};

/// Pairs of types named `T`: whether the second reads what the first writes, and the other way around.
macro_rules! pairs {
    ($($name:ident: $forth:expr, $back:expr, { $($before:item)* } { $($after:item)* })*) => {
        $(
            #[test]
            fn $name() {
                let [before, after] = types::$name();
                assert_verdict(&before, &after, $forth);
                assert_verdict(&after, &before, $back);
            }
        )*

        mod types {
            use super::Type;

            $(
                #[allow(dead_code, unused_imports)]
                pub(super) fn $name() -> [Type; 2] {
                    mod before {
                        use super::super::imports::*;
                        $(
                            #[derive(Serialize, Deserialize, JsonSchema)]
                            $before
                        )*
                    }
                    mod after {
                        use super::super::imports::*;
                        $(
                            #[derive(Serialize, Deserialize, JsonSchema)]
                            $after
                        )*
                    }
                    [
                        Type::of::<before::T>(concat!(stringify!($name), ", before")),
                        Type::of::<after::T>(concat!(stringify!($name), ", after")),
                    ]
                }
            )*
        }

        /// All types of the table.
        pub(super) fn all() -> Vec<Type> {
            let mut all = Vec::new();
            $(all.extend(types::$name());)*
            all
        }
    };
}

/// The names that the types use.
pub(super) mod imports {
    pub(crate) use std::collections::{BTreeMap, BTreeSet, HashMap};
    pub(crate) use std::num::{NonZeroI32, NonZeroU32};
    pub(crate) use std::time::Duration;

    pub(crate) use jiff::Timestamp;
    pub(crate) use schemars::JsonSchema;
    pub(crate) use serde::{Deserialize, Serialize};
    pub(crate) use serde_json::Value;
    pub(crate) use uuid::Uuid;

    /// A text that has digits only.
    #[derive(Clone, Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    pub(crate) struct Digits(String);

    impl TryFrom<String> for Digits {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            if text.bytes().all(|it| it.is_ascii_digit()) {
                Ok(Self(text))
            } else {
                Err("has other letters".to_owned())
            }
        }
    }

    impl From<Digits> for String {
        fn from(Digits(text): Digits) -> Self {
            text
        }
    }

    impl JsonSchema for Digits {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "Digits".into()
        }

        fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
            schemars::json_schema!({"type": "string", "pattern": r"^\d+$"})
        }
    }
}

fn assert_verdict(written: &Type, read: &Type, expected: Verdict) {
    let found = judged(written, read).unwrap_or_else(|report| panic!("{report}"));
    let actual = match found.first() {
        None => Fits,
        Some(mismatch) => Breaks(mismatch.path.clone().leak()),
    };
    assert_eq!(
        actual, expected,
        "{} to {}: {found:?}",
        written.name, read.name
    );
}

pairs! {
    a_field_with_a_default_is_added: Fits, Fits,
        { pub struct T { a: u32 } }
        { pub struct T { a: u32, #[serde(default)] b: u32 } }
    a_field_without_a_default_is_added: Breaks("b"), Fits,
        { pub struct T { a: u32 } }
        { pub struct T { a: u32, b: String } }
    an_optional_field_is_added: Fits, Fits,
        { pub struct T { a: u32 } }
        { pub struct T { a: u32, b: Option<String> } }
    a_field_of_a_nested_struct_is_added: Breaks("lines[].b"), Fits,
        { pub struct T { lines: Vec<Line> } pub struct Line { a: u32 } }
        { pub struct T { lines: Vec<Line> } pub struct Line { a: u32, b: bool } }
    all_fields_have_defaults: Fits, Fits,
        { pub struct T { a: u32 } }
        { #[derive(Default)] #[serde(default)] pub struct T { a: u32, b: u32, c: String } }
    a_field_is_renamed: Breaks("b"), Breaks("a"),
        { pub struct T { a: u32 } }
        { pub struct T { b: u32 } }
    a_field_is_renamed_in_the_code_only: Fits, Fits,
        { pub struct T { a: u32 } }
        { pub struct T { #[serde(rename = "a")] b: u32 } }
    all_fields_are_renamed: Breaks("unitPrice"), Breaks("unit_price"),
        { pub struct T { unit_price: u32 } }
        { #[serde(rename_all = "camelCase")] pub struct T { unit_price: u32 } }
    a_field_becomes_optional: Fits, Breaks("a"),
        { pub struct T { a: u32 } }
        { pub struct T { a: Option<u32> } }
    a_field_is_left_out_if_it_is_empty: Fits, Breaks("a"),
        { pub struct T { a: Vec<u32> } }
        { pub struct T { #[serde(default, skip_serializing_if = "Vec::is_empty")] a: Vec<u32> } }
    an_option_is_left_out: Fits, Fits,
        { pub struct T { a: Option<u32> } }
        { pub struct T { #[serde(skip_serializing_if = "Option::is_none")] a: Option<u32> } }
    a_field_is_skipped: Fits, Breaks("a"),
        { pub struct T { a: u32, b: u32 } }
        { pub struct T { #[serde(skip)] a: u32, b: u32 } }
    a_field_is_only_written: Fits, Fits,
        { pub struct T { a: u32, b: u32 } }
        { pub struct T { #[serde(skip_deserializing)] a: u32, b: u32 } }
    an_integer_is_wider: Fits, Breaks("a"),
        { pub struct T { a: u32 } }
        { pub struct T { a: u64 } }
    an_integer_is_narrower: Breaks("a"), Fits,
        { pub struct T { a: i16 } }
        { pub struct T { a: i8 } }
    an_integer_has_a_sign: Fits, Breaks("a"),
        { pub struct T { a: u32 } }
        { pub struct T { a: i64 } }
    an_integer_loses_its_sign: Breaks("a"), Breaks("a"),
        { pub struct T { a: i64 } }
        { pub struct T { a: u64 } }
    an_integer_is_not_zero: Breaks("a"), Fits,
        { pub struct T { a: u32 } }
        { pub struct T { a: NonZeroU32 } }
    an_integer_becomes_a_float: Fits, Breaks("a"),
        { pub struct T { a: u32 } }
        { pub struct T { a: f64 } }
    a_float_has_fewer_digits: Breaks("a"), Fits,
        { pub struct T { a: f64 } }
        { pub struct T { a: f32 } }
    a_large_integer_becomes_a_float: Breaks("a"), Breaks("a"),
        { pub struct T { a: u64 } }
        { pub struct T { a: f64 } }
    a_text_becomes_a_number: Breaks("a"), Breaks("a"),
        { pub struct T { a: String } }
        { pub struct T { a: u32 } }
    a_text_becomes_an_id: Breaks("a"), Fits,
        { pub struct T { a: String } }
        { pub struct T { a: Uuid } }
    a_text_becomes_a_time: Breaks("a"), Fits,
        { pub struct T { a: String } }
        { pub struct T { a: Timestamp } }
    an_id_becomes_a_time: Breaks("a"), Breaks("a"),
        { pub struct T { a: Uuid } }
        { pub struct T { a: Timestamp } }
    a_text_becomes_a_letter: Breaks("a"), Fits,
        { pub struct T { a: String } }
        { pub struct T { a: char } }
    a_text_has_a_pattern: Breaks("a"), Fits,
        { pub struct T { a: String } }
        { pub struct T { a: Digits } }
    a_flag_becomes_an_enum: Breaks("a"), Breaks("a"),
        { pub struct T { a: bool } }
        { pub struct T { a: Answer } pub enum Answer { Yes, No } }
    a_text_becomes_an_enum: Breaks("a"), Fits,
        { pub struct T { a: String } }
        { pub struct T { a: Color } pub enum Color { Red, Green } }
    a_newtype_is_its_value: Fits, Fits,
        { pub struct T { a: u32 } }
        { pub struct T { a: Units } pub struct Units(u32); }
    a_list_becomes_one: Breaks("a"), Breaks("a"),
        { pub struct T { a: Vec<u32> } }
        { pub struct T { a: u32 } }
    a_list_becomes_a_set: Fits, Fits,
        { pub struct T { a: Vec<u32> } }
        { pub struct T { a: BTreeSet<u32> } }
    a_list_has_a_length: Breaks("a"), Fits,
        { pub struct T { a: Vec<u32> } }
        { pub struct T { a: [u32; 3] } }
    an_array_is_longer: Breaks("a"), Breaks("a"),
        { pub struct T { a: [u32; 2] } }
        { pub struct T { a: [u32; 3] } }
    a_tuple_has_another_item: Breaks("a"), Breaks("a"),
        { pub struct T { a: (u32, bool) } }
        { pub struct T { a: (u32, bool, String) } }
    an_item_of_a_tuple_is_wider: Fits, Breaks("a[1]"),
        { pub struct T { a: (bool, u8) } }
        { pub struct T { a: (bool, u16) } }
    a_tuple_becomes_an_array: Fits, Fits,
        { pub struct T { a: (u8, u8) } }
        { pub struct T { a: [u8; 2] } }
    the_items_of_a_list_are_optional: Fits, Breaks("a[]"),
        { pub struct T { a: Vec<u32> } }
        { pub struct T { a: Vec<Option<u32>> } }
    the_values_of_a_map_are_narrower: Breaks("a.*"), Fits,
        { pub struct T { a: BTreeMap<String, u64> } }
        { pub struct T { a: HashMap<String, u32> } }
    the_keys_of_a_map_become_numbers: Breaks("a.*"), Fits,
        { pub struct T { a: BTreeMap<String, u32> } }
        { pub struct T { a: BTreeMap<u32, u32> } }
    the_keys_of_a_map_have_a_sign: Fits, Breaks("a.*"),
        { pub struct T { a: BTreeMap<u32, bool> } }
        { pub struct T { a: BTreeMap<i64, bool> } }
    the_keys_of_a_map_become_an_enum: Breaks("a.*"), Fits,
        { pub struct T { a: BTreeMap<String, u32> } }
        { pub struct T { a: BTreeMap<Size, u32> } #[derive(PartialEq, Eq, PartialOrd, Ord)] pub enum Size { S, M } }
    a_map_becomes_a_struct: Breaks("a.b"), Fits,
        { pub struct T { a: BTreeMap<String, u32> } }
        { pub struct T { a: Inner } pub struct Inner { b: u32 } }
    a_variant_is_added: Fits, Breaks("a"),
        { pub struct T { a: Color } pub enum Color { Red, Green } }
        { pub struct T { a: Color } pub enum Color { Red, Green, Blue } }
    a_variant_is_renamed: Breaks("a"), Breaks("a"),
        { pub struct T { a: Color } pub enum Color { Red, Green } }
        { pub struct T { a: Color } pub enum Color { Red, Lime } }
    a_variant_is_renamed_in_the_code_only: Fits, Fits,
        { pub struct T { a: Color } pub enum Color { Red, Green } }
        { pub struct T { a: Color } pub enum Color { Red, #[serde(rename = "Green")] Lime } }
    a_variant_with_data_is_added: Fits, Breaks("a"),
        { pub struct T { a: Payment } pub enum Payment { Cash, Card { number: u32 } } }
        { pub struct T { a: Payment } pub enum Payment { Cash, Card { number: u32 }, Bill(String) } }
    a_variant_gets_data: Breaks("a"), Breaks("a"),
        { pub struct T { a: Payment } pub enum Payment { Cash, Card } }
        { pub struct T { a: Payment } pub enum Payment { Cash, Card(u32) } }
    a_field_of_a_variant_is_added: Breaks("a.Card.holder"), Fits,
        { pub struct T { a: Payment } pub enum Payment { Cash, Card { number: u32 } } }
        { pub struct T { a: Payment } pub enum Payment { Cash, Card { number: u32, holder: String } } }
    a_field_of_a_tagged_variant_is_added: Breaks("a.holder"), Breaks("a.days"),
        {
            pub struct T { a: Payment }
            #[serde(tag = "by")] pub enum Payment { Cash, Card { number: u32 }, Bill(Bill) }
            pub struct Bill { days: u8 }
        }
        {
            pub struct T { a: Payment }
            #[serde(tag = "by")] pub enum Payment { Cash, Card { number: u32, holder: String }, Bill(Bill) }
            pub struct Bill { days: u16 }
        }
    a_tagged_variant_is_added: Fits, Breaks("a"),
        { pub struct T { a: Payment } #[serde(tag = "by")] pub enum Payment { Cash, Card { number: u32 } } }
        { pub struct T { a: Payment } #[serde(tag = "by")] pub enum Payment { Cash, Card { number: u32 }, Bill } }
    the_tag_is_renamed: Breaks("a.kind"), Breaks("a.by"),
        { pub struct T { a: Payment } #[serde(tag = "by")] pub enum Payment { Cash, Card { number: u32 } } }
        { pub struct T { a: Payment } #[serde(tag = "kind")] pub enum Payment { Cash, Card { number: u32 } } }
    the_content_of_a_variant_is_narrower: Breaks("a.c"), Fits,
        { pub struct T { a: Payment } #[serde(tag = "t", content = "c")] pub enum Payment { Cash, Card(u32) } }
        { pub struct T { a: Payment } #[serde(tag = "t", content = "c")] pub enum Payment { Cash, Card(u16) } }
    an_adjacent_variant_is_removed: Breaks("a"), Fits,
        { pub struct T { a: Payment } #[serde(tag = "t", content = "c")] pub enum Payment { Cash, Card(u32) } }
        { pub struct T { a: Payment } #[serde(tag = "t", content = "c")] pub enum Payment { Card(u32) } }
    another_kind_of_enum: Breaks("a.by"), Breaks("a.by"),
        { pub struct T { a: Payment } pub enum Payment { Card { number: u32 } } }
        { pub struct T { a: Payment } #[serde(tag = "by")] pub enum Payment { Card { number: u32 } } }
    an_untagged_variant_is_added: Fits, Breaks("a"),
        { pub struct T { a: Id } #[serde(untagged)] pub enum Id { Number(u32) } }
        { pub struct T { a: Id } #[serde(untagged)] pub enum Id { Number(u32), Name(String) } }
    a_type_becomes_an_untagged_enum: Fits, Breaks("a"),
        { pub struct T { a: Full } pub struct Full { b: u32 } }
        { pub struct T { a: Any } #[serde(untagged)] pub enum Any { Full { b: u32 }, Short(u32) } }
    unknown_fields_are_refused: Fits, Fits,
        { pub struct T { a: u32 } }
        { #[serde(deny_unknown_fields)] pub struct T { a: u32 } }
    a_field_is_removed_and_refused: Breaks("b"), Breaks("b"),
        { pub struct T { a: u32, b: u32 } }
        { #[serde(deny_unknown_fields)] pub struct T { a: u32 } }
    a_struct_is_flattened: Fits, Fits,
        { pub struct T { a: u32, b: u32 } }
        { pub struct T { a: u32, #[serde(flatten)] inner: Inner } pub struct Inner { b: u32 } }
    a_field_of_a_flattened_struct_is_added: Breaks("c"), Fits,
        { pub struct T { a: u32, #[serde(flatten)] inner: Inner } pub struct Inner { b: u32 } }
        { pub struct T { a: u32, #[serde(flatten)] inner: Inner } pub struct Inner { b: u32, c: u32 } }
    a_flattened_enum_gets_a_variant: Fits, Breaks(""),
        {
            pub struct T { a: u32, #[serde(flatten)] inner: Inner }
            #[serde(tag = "kind")] pub enum Inner { One { b: u32 } }
        }
        {
            pub struct T { a: u32, #[serde(flatten)] inner: Inner }
            #[serde(tag = "kind")] pub enum Inner { One { b: u32 }, Two { c: u32 } }
        }
    other_fields_are_kept: Fits, Fits,
        { pub struct T { a: u32 } }
        { pub struct T { a: u32, #[serde(flatten)] others: BTreeMap<String, Value> } }
    a_tree_gets_a_field: Breaks("children[].note"), Fits,
        { pub struct T { children: Vec<Node> } pub struct Node { name: String, children: Vec<Node> } }
        { pub struct T { children: Vec<Node> } pub struct Node { name: String, note: u8, children: Vec<Node> } }
    a_tree_that_is_its_own_root: Fits, Fits,
        { pub struct T { name: String, inner: Option<Box<T>> } }
        { pub struct T { name: String, #[serde(default)] size: u32, inner: Option<Box<T>> } }
    a_recursive_enum_gets_a_variant: Fits, Breaks("a"),
        { pub struct T { a: Term } pub enum Term { Is(u32), Not(Box<Term>) } }
        { pub struct T { a: Term } pub enum Term { Is(u32), Not(Box<Term>), All(Vec<Term>) } }
    anything_becomes_a_struct: Breaks("a"), Fits,
        { pub struct T { a: Value } }
        { pub struct T { a: Inner } pub struct Inner { b: u32 } }
    a_struct_without_fields_gets_one_with_a_default: Fits, Fits,
        { pub struct T; }
        { pub struct T { #[serde(default)] a: u32 } }
    the_last_field_is_removed: Fits, Breaks("a"),
        { pub struct T { a: u32 } }
        { pub struct T; }
    a_unit_inside_becomes_a_struct: Breaks("a"), Breaks("a"),
        { pub struct T { a: Unit } pub struct Unit; }
        { pub struct T { a: Unit } pub struct Unit { b: Option<u32> } }
    a_duration_becomes_seconds: Breaks("a"), Breaks("a"),
        { pub struct T { a: Duration } }
        { pub struct T { a: u64 } }
    a_result_gets_another_error: Breaks("a.Err"), Breaks("a.Err"),
        { pub struct T { a: Result<u32, String> } }
        { pub struct T { a: Result<u32, bool> } }
    a_signed_integer_is_not_zero: Breaks("a"), Fits,
        { pub struct T { a: i32 } }
        { pub struct T { a: NonZeroI32 } }
    a_text_is_converted: Fits, Fits,
        { pub struct T { a: String } }
        {
            pub struct T { a: Name }
            #[derive(Clone)] #[serde(transparent)] pub struct Name { text: String }
        }
    an_option_in_an_option: Fits, Fits,
        { pub struct T { a: Option<u32> } }
        {
            #[expect(clippy::option_option, reason = "somebody may write it")]
            pub struct T { a: Option<Option<u32>> }
        }
}
