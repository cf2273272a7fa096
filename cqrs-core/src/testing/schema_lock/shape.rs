use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use super::contract::resolve;

/// One of the forms of JSON that a schema admits.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape<'s> {
    Anything,
    Null,
    Boolean,
    Constant(&'s Value),
    Integer(Integer<'s>),
    Number(Number<'s>),
    Text(TextShape<'s>),
    List(List<'s>),
    Object(Object<'s>),
    /// A part of a schema that is not understood.
    Unclear(String),
}

/// Keywords that are compared, not understood.
pub(super) type Opaque<'s> = BTreeMap<&'s str, &'s Value>;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Integer<'s> {
    pub(super) min: i128,
    pub(super) max: i128,
    pub(super) opaque: Opaque<'s>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number<'s> {
    /// The largest integer up to which it has all of them. `None` if it has all digits.
    pub(super) exact: Option<i128>,
    pub(super) opaque: Opaque<'s>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct TextShape<'s> {
    pub(super) format: Option<&'s str>,
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) opaque: Opaque<'s>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct List<'s> {
    /// The schemas of the first items.
    pub(super) first: Vec<&'s Value>,
    /// The schema of the others.
    pub(super) others: Option<&'s Value>,
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) opaque: Opaque<'s>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object<'s> {
    pub(super) properties: BTreeMap<&'s str, &'s Value>,
    pub(super) required: BTreeSet<&'s str>,
    /// The schemas of properties by a pattern of their names.
    pub(super) patterns: BTreeMap<&'s str, &'s Value>,
    pub(super) others: OtherFields<'s>,
    pub(super) opaque: Opaque<'s>,
}

/// The properties of an object that are not named.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum OtherFields<'s> {
    /// A struct writes none, and ignores them.
    Unsaid,
    Refused,
    Of(&'s Value),
}

/// A whole schema, in which references are resolved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'s>(pub(super) &'s Value);

/// References and alternatives inside each other, without an object or list between them.
const MAX_DEPTH: usize = 32;

impl<'s> Document<'s> {
    /// The forms that a part of the schema admits.
    pub(super) fn shapes(self, schema: &'s Value) -> Vec<Shape<'s>> {
        self.expand(schema, 0)
    }

    /// The definition that the schema refers to, or is a copy of: that of a type which contains itself is
    /// also where the type is used first. Otherwise the schema itself.
    pub(super) fn origin(self, schema: &'s Value) -> &'s Value {
        let Some(keywords) = schema.as_object() else {
            return schema;
        };
        let referred = match keywords.get("$ref") {
            Some(Value::String(reference)) if keywords.len() == 1 => resolve(self.0, reference),
            _ => None,
        };
        let origin = referred.unwrap_or(schema);
        let definitions = self.0.get("$defs").and_then(Value::as_object);
        let mut copies = definitions.into_iter().flat_map(Map::values);
        copies.find(|it| is_copy(origin, it)).unwrap_or(origin)
    }

    fn expand(self, schema: &'s Value, depth: usize) -> Vec<Shape<'s>> {
        let keywords = match schema {
            Value::Bool(true) => return vec![Shape::Anything],
            Value::Bool(false) => return Vec::new(),
            Value::Object(keywords) if depth < MAX_DEPTH => keywords,
            _ => return vec![Shape::Unclear(schema.to_string())],
        };
        let mut shapes = own(keywords);
        if let Some(reference) = keywords.get("$ref").and_then(Value::as_str) {
            let referred = resolve(self.0, reference).map_or_else(
                || vec![Shape::Unclear(reference.to_owned())],
                |schema| self.expand(schema, depth + 1),
            );
            shapes = meet(shapes, &referred);
        }
        for part in list(keywords, "allOf") {
            shapes = meet(shapes, &self.expand(part, depth + 1));
        }
        for word in ["oneOf", "anyOf"] {
            if keywords.contains_key(word) {
                let alternatives: Vec<_> = list(keywords, word)
                    .iter()
                    .flat_map(|it| self.expand(it, depth + 1))
                    .collect();
                shapes = meet(shapes, &alternatives);
            }
        }
        shapes
    }
}

/// Whether a schema is a definition, apart from the definitions that a whole one has.
fn is_copy(schema: &Value, definition: &Value) -> bool {
    let (Some(one), Some(other)) = (schema.as_object(), definition.as_object()) else {
        return false;
    };
    let mut keywords = one.iter().filter(|(word, _)| *word != "$defs");
    let count = one.len() - usize::from(one.contains_key("$defs"));
    count == other.len() && keywords.all(|(word, value)| other.get(word) == Some(value))
}

fn list<'s>(keywords: &'s Map<String, Value>, word: &str) -> &'s [Value] {
    keywords
        .get(word)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The forms that a schema names itself.
fn own(keywords: &Map<String, Value>) -> Vec<Shape<'_>> {
    let types: Vec<&str> = match keywords.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let constants = keywords
        .get("const")
        .into_iter()
        .chain(list(keywords, "enum"));
    if keywords.contains_key("const") || keywords.contains_key("enum") {
        return constants.map(Shape::Constant).collect();
    }
    if types.is_empty() {
        let is_object = ["properties", "required", "additionalProperties"]
            .iter()
            .any(|word| keywords.contains_key(*word));
        let opaque = opaque(keywords, &[]);
        return vec![match opaque.first_key_value() {
            _ if is_object => Shape::Object(object(keywords)),
            Some((word, value)) => Shape::Unclear(format!("{word}: {value}")),
            None => Shape::Anything,
        }];
    }
    types
        .into_iter()
        .map(|one| match one {
            "null" => Shape::Null,
            "boolean" => Shape::Boolean,
            "integer" => Shape::Integer(integer(keywords)),
            "number" => Shape::Number(number(keywords)),
            "string" => Shape::Text(text(keywords)),
            "array" => Shape::List(items(keywords)),
            "object" => Shape::Object(object(keywords)),
            other => Shape::Unclear(format!("type: {other}")),
        })
        .collect()
}

/// Keywords that are understood for every type.
const COMMON: [&str; 8] = [
    "type", "default", "$defs", "$ref", "allOf", "oneOf", "anyOf", "format",
];

/// Keywords that only some types have. A schema of several types has those of all.
const OF_TYPES: [&str; 22] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "contentEncoding",
    "contentMediaType",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "properties",
    "required",
    "additionalProperties",
    "unevaluatedProperties",
    "patternProperties",
    "propertyNames",
];

/// The keywords that this type does not understand: of its own, and unknown ones.
fn opaque<'s>(keywords: &'s Map<String, Value>, own: &[&str]) -> Opaque<'s> {
    keywords
        .iter()
        .filter(|(word, _)| {
            let word = word.as_str();
            !COMMON.contains(&word) && (own.contains(&word) || !OF_TYPES.contains(&word))
        })
        .map(|(word, value)| (word.as_str(), value))
        .collect()
}

fn integer(keywords: &Map<String, Value>) -> Integer<'_> {
    let format = keywords.get("format").and_then(Value::as_str);
    let (min, max) = match format.unwrap_or_default() {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "int64" | "int" => (i64::MIN.into(), i64::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint64" | "uint" => (0, u64::MAX.into()),
        "uint128" => (0, i128::MAX),
        _ => (i128::MIN, i128::MAX),
    };
    let bound = |word: &str| {
        let bound = keywords.get(word)?;
        let signed = bound.as_i64().map(i128::from);
        signed.or_else(|| bound.as_u64().map(i128::from))
    };
    Integer {
        min: bound("minimum").map_or(min, |bound| bound.max(min)),
        max: bound("maximum").map_or(max, |bound| bound.min(max)),
        opaque: opaque(
            keywords,
            &["exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
        ),
    }
}

fn number(keywords: &Map<String, Value>) -> Number<'_> {
    let exact = match keywords.get("format").and_then(Value::as_str) {
        Some("float") => Some(1 << 24),
        Some("double") => Some(1 << 53),
        _ => None,
    };
    let own = [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
    ];
    Number {
        exact,
        opaque: opaque(keywords, &own),
    }
}

fn text(keywords: &Map<String, Value>) -> TextShape<'_> {
    let own = ["pattern", "contentEncoding", "contentMediaType"];
    TextShape {
        format: keywords.get("format").and_then(Value::as_str),
        min: size(keywords, "minLength").unwrap_or(0),
        max: size(keywords, "maxLength").unwrap_or(u64::MAX),
        opaque: opaque(keywords, &own),
    }
}

fn items(keywords: &Map<String, Value>) -> List<'_> {
    let first: Vec<_> = list(keywords, "prefixItems").iter().collect();
    List {
        first,
        others: keywords.get("items"),
        min: size(keywords, "minItems").unwrap_or(0),
        max: size(keywords, "maxItems").unwrap_or(u64::MAX),
        // A set reads an item twice.
        opaque: opaque(keywords, &["contains"]),
    }
}

fn object(keywords: &Map<String, Value>) -> Object<'_> {
    let named = |word: &str| -> BTreeMap<&str, &Value> {
        let named = keywords.get(word).and_then(Value::as_object);
        let entries = named.into_iter().flatten();
        entries.map(|(name, it)| (name.as_str(), it)).collect()
    };
    let others = ["additionalProperties", "unevaluatedProperties"]
        .iter()
        .find_map(|word| keywords.get(*word));
    Object {
        properties: named("properties"),
        required: list(keywords, "required")
            .iter()
            .filter_map(Value::as_str)
            .collect(),
        patterns: named("patternProperties"),
        others: match others {
            None => OtherFields::Unsaid,
            Some(Value::Bool(false)) => OtherFields::Refused,
            Some(schema) => OtherFields::Of(schema),
        },
        opaque: opaque(keywords, &["propertyNames"]),
    }
}

fn size(keywords: &Map<String, Value>, word: &str) -> Option<u64> {
    keywords.get(word)?.as_u64()
}

/// The forms that are in both lists.
fn meet<'s>(one: Vec<Shape<'s>>, other: &[Shape<'s>]) -> Vec<Shape<'s>> {
    if one == [Shape::Anything] {
        return other.to_vec();
    }
    one.iter()
        .flat_map(|one| other.iter().filter_map(|other| both(one, other)))
        .collect()
}

fn both<'s>(one: &Shape<'s>, other: &Shape<'s>) -> Option<Shape<'s>> {
    match (one, other) {
        (Shape::Anything, it) | (it, Shape::Anything) => Some(it.clone()),
        (Shape::Unclear(_), _) => Some(one.clone()),
        (_, Shape::Unclear(_)) => Some(other.clone()),
        (Shape::Object(one), Shape::Object(other)) => Some(one.and(other)),
        (Shape::Constant(constant), it) | (it, Shape::Constant(constant)) => {
            it.admits(constant).then_some(Shape::Constant(constant))
        }
        (one, other) if one == other => Some(one.clone()),
        (one, other) if one.kind() == other.kind() => {
            Some(Shape::Unclear(format!("{one}, and {other}")))
        }
        _ => None,
    }
}

impl<'s> Object<'s> {
    /// The object with the properties of both, as `flatten` and the tag of an enum make it.
    fn and(&self, other: &Self) -> Shape<'s> {
        let mut both = self.clone();
        for (name, schema) in &other.properties {
            if both
                .properties
                .insert(name, schema)
                .is_some_and(|it| it != *schema)
            {
                return Shape::Unclear(format!("two fields named `{name}`"));
            }
        }
        both.required.extend(&other.required);
        both.patterns.extend(&other.patterns);
        both.opaque.extend(&other.opaque);
        both.others = match (self.others, other.others) {
            (OtherFields::Refused, _) | (_, OtherFields::Refused) => OtherFields::Refused,
            (OtherFields::Unsaid, others) | (others, _) => others,
        };
        Shape::Object(both)
    }
}

impl Shape<'_> {
    /// Whether it admits this constant, for all that is understood.
    pub(super) fn admits(&self, constant: &Value) -> bool {
        match (self, constant) {
            (Self::Anything, _)
            | (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Number(_), Value::Number(_)) => true,
            (Self::Constant(own), constant) => *own == constant,
            (Self::Integer(own), constant) => {
                let signed = constant.as_i64().map(i128::from);
                let number = signed.or_else(|| constant.as_u64().map(i128::from));
                number.is_some_and(|number| (own.min..=own.max).contains(&number))
            }
            (Self::Text(own), Value::String(text)) => {
                let length = text.chars().count() as u64;
                own.format.is_none()
                    && own.opaque.is_empty()
                    && (own.min..=own.max).contains(&length)
            }
            _ => false,
        }
    }

    /// The same for shapes that differ in details only.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Anything => "any JSON",
            Self::Null => "`null`",
            Self::Boolean => "`true` or `false`",
            Self::Constant(_) => "a constant",
            Self::Integer(_) => "a whole number",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
            Self::Unclear(_) => "something else",
        }
    }
}

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Constant(Value::Null) => "`null`",
            Self::Constant(constant) => return write!(f, "`{constant}`"),
            _ => self.kind(),
        })?;
        match self {
            Self::Integer(Integer { min, max, .. }) => match (*min, *max) {
                (i128::MIN, i128::MAX) => Ok(()),
                (min, i128::MAX) => write!(f, " from {min}"),
                (i128::MIN, max) => write!(f, " up to {max}"),
                (min, max) => write!(f, " from {min} to {max}"),
            },
            Self::Number(Number { exact, .. }) => match exact {
                Some(exact) if *exact == 1 << 24 => f.write_str(" of 32 bits"),
                Some(_) => f.write_str(" of 64 bits"),
                None => Ok(()),
            },
            Self::Text(TextShape { min: 1, max: 1, .. }) => f.write_str(" of one letter"),
            Self::Text(TextShape {
                format: Some(format),
                ..
            }) => write!(f, " ({format})"),
            Self::List(List { min, max, .. }) => match (*min, *max) {
                (0, u64::MAX) => Ok(()),
                (min, max) if min == max => write!(f, " of {min}"),
                (min, u64::MAX) => write!(f, " of at least {min}"),
                (min, max) => write!(f, " of {min} to {max}"),
            },
            Self::Unclear(what) => write!(f, " ({what})"),
            _ => Ok(()),
        }
    }
}
