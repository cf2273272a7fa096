use serde_json::{Map, Value};

use crate::message::Schemas;

/// The schemas of a stored type, in the form that the lock keeps: only what decides about JSON, with sorted
/// keys, and without the names of types.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contract {
    pub(super) written: Value,
    /// With the defaults of fields.
    pub(super) read: Value,
}

/// Keywords that decide nothing.
const REMARKS: [&str; 9] = [
    "$schema",
    "$comment",
    "$id",
    "title",
    "description",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

impl Contract {
    /// The contract of a type. `None` if it derives no schema.
    pub(super) fn of(schemas: fn() -> Option<Schemas>) -> Option<Self> {
        let Schemas { written, mut read } = schemas()?;
        if let Some(again) = schemas() {
            // Such as the time of the call.
            drop_other_defaults(&mut read, &again.read);
        }
        Some(Self {
            written: whole(&written, false),
            read: whole(&read, true),
        })
    }
}

/// The schema of a whole payload, in which a struct without fields is `{}`.
fn whole(schema: &Value, has_defaults: bool) -> Value {
    let mut schema = numbered(canonical(schema, has_defaults));
    if schema.get("type").is_some_and(|it| it == "null") {
        schema["type"] = "object".into();
    }
    schema
}

/// Removes the defaults that are not the same in a second schema of the type.
fn drop_other_defaults(schema: &mut Value, again: &Value) {
    match (schema, again) {
        (Value::Object(one), Value::Object(other)) => {
            if one.contains_key("type") && one.get("default") != other.get("default") {
                one.remove("default");
            }
            for (key, value) in one {
                if let Some(other) = other.get(key) {
                    drop_other_defaults(value, other);
                }
            }
        }
        (Value::Array(one), Value::Array(other)) => one
            .iter_mut()
            .zip(other)
            .for_each(|(one, other)| drop_other_defaults(one, other)),
        _ => {}
    }
}

/// A schema with sorted keys and without remarks.
pub(super) fn canonical(schema: &Value, has_defaults: bool) -> Value {
    let Value::Object(keywords) = schema else {
        return schema.clone();
    };
    let schema_of = |value: &Value| canonical(value, has_defaults);
    let sorted: Vec<(&String, Value)> = keywords
        .iter()
        .filter(|(key, _)| !REMARKS.contains(&key.as_str()) && (has_defaults || *key != "default"))
        .map(|(key, value)| {
            let value = match (key.as_str(), value) {
                ("properties" | "patternProperties" | "$defs", Value::Object(named)) => sorted_map(
                    named
                        .iter()
                        .map(|(name, it)| (name, schema_of(it)))
                        .collect(),
                ),
                ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                    schemas.iter().map(schema_of).collect()
                }
                ("required" | "type" | "enum", Value::Array(values)) => {
                    let mut values = values.clone();
                    values.sort_by_key(Value::to_string);
                    values.dedup();
                    Value::Array(values)
                }
                ("default" | "const", value) => sorted_value(value),
                (_, value) => schema_of(value),
            };
            (key, value)
        })
        .collect();
    sorted_map(sorted)
}

/// A value with the keys of its objects sorted, whatever the features of `serde_json` are.
fn sorted_value(value: &Value) -> Value {
    match value {
        Value::Object(fields) => sorted_map(
            fields
                .iter()
                .map(|(name, it)| (name, sorted_value(it)))
                .collect(),
        ),
        Value::Array(values) => values.iter().map(sorted_value).collect(),
        value => value.clone(),
    }
}

fn sorted_map(mut entries: Vec<(&String, Value)>) -> Value {
    entries.sort_by_key(|(key, _)| *key);
    let map: Map<String, Value> = entries
        .into_iter()
        .map(|(key, value)| (key.clone(), value))
        .collect();
    Value::Object(map)
}

/// The schema with numbers in place of the names of its definitions, which are the names of types. Only
/// types that contain themselves have definitions.
fn numbered(mut schema: Value) -> Value {
    let mut names = Vec::new();
    collect_references(&schema, &mut names);
    rename_references(&mut schema, &names);
    let Some(Value::Object(definitions)) = schema.get_mut("$defs") else {
        return schema;
    };
    let renamed: Map<String, Value> = names
        .iter()
        .enumerate()
        .filter_map(|(place, name)| {
            let definition = definitions.remove(&decoded(name))?;
            Some(((place + 1).to_string(), definition))
        })
        .collect();
    *definitions = renamed;
    schema
}

const DEFINITIONS: &str = "#/$defs/";

fn collect_references(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(name) = definition(fields)
                && !names.contains(&name)
            {
                names.push(name);
            }
            fields
                .values()
                .for_each(|value| collect_references(value, names));
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| collect_references(value, names)),
        _ => {}
    }
}

fn rename_references(value: &mut Value, names: &[String]) {
    match value {
        Value::Object(fields) => {
            if let Some(name) = definition(fields)
                && let Some(place) = names.iter().position(|it| *it == name)
            {
                let reference = format!("{DEFINITIONS}{}", place + 1);
                fields.insert("$ref".to_owned(), reference.into());
            }
            fields
                .iter_mut()
                .for_each(|(_, value)| rename_references(value, names));
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| rename_references(value, names)),
        _ => {}
    }
}

fn definition(fields: &Map<String, Value>) -> Option<String> {
    let reference = fields.get("$ref")?.as_str()?;
    reference.strip_prefix(DEFINITIONS).map(str::to_owned)
}

/// The schema that a `$ref` names.
pub(super) fn resolve<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    if reference == "#" {
        return Some(root);
    }
    let name = reference.strip_prefix(DEFINITIONS)?;
    root.get("$defs")?.get(decoded(name))
}

/// A name without the escapes of a JSON pointer in a URI.
fn decoded(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|it| str::from_utf8(it).ok());
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes)
        .replace("~1", "/")
        .replace("~0", "~")
}
