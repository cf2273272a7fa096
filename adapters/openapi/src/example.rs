use serde_json::{Map, Number, Value, json};

use crate::components::Components;

/// Maximum number of schemas inside each other.
const MAX_DEPTH: usize = 24;

/// The pattern of `rust_decimal::Decimal`, of `Schemars`.
const DECIMAL: &str = r"^-?\d+(\.\d+)?([eE]\d+)?$";

/// A value that a schema allows: the first of its examples, or one made up. `None` if it cannot be told, as for a pattern
/// without an example.
pub(crate) fn example(schema: &Value, components: &Components) -> Option<Value> {
    Maker { components }.of(schema, "text", 0)
}

struct Maker<'c> {
    components: &'c Components,
}

impl Maker<'_> {
    /// A value of a schema, at a depth, for something with this name.
    fn of(&self, schema: &Value, name: &str, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        if *schema == Value::Bool(true) {
            return Some(name.into());
        }
        let members = schema.as_object()?;
        if let Some(given) = given(members) {
            return Some(given);
        }
        let own = self.of_own_members(members, name, depth);
        let mut parts = Vec::new();
        if members.contains_key("$ref") {
            let referred = self.components.resolve(schema);
            // What is not found is not known.
            if referred["$ref"].is_string() {
                return None;
            }
            parts.push(self.of(referred, name, depth + 1)?);
        }
        for part in list(members, "allOf") {
            parts.push(self.of(part, name, depth + 1)?);
        }
        for choice in ["oneOf", "anyOf"] {
            if members.contains_key(choice) {
                parts.push(self.of_choice(list(members, choice), name, depth)?);
            }
        }
        if is_typed(members) || parts.is_empty() {
            parts.push(own?);
        }
        merged(parts)
    }

    /// One of these that is not `null`, if there is one.
    fn of_choice(&self, choices: &[Value], name: &str, depth: usize) -> Option<Value> {
        let mut made = choices
            .iter()
            .filter_map(|choice| self.of(choice, name, depth + 1));
        let first = made.next()?;
        if first.is_null() {
            return Some(made.next().unwrap_or(first));
        }
        Some(first)
    }

    fn of_own_members(
        &self,
        members: &Map<String, Value>,
        name: &str,
        depth: usize,
    ) -> Option<Value> {
        match type_of(members) {
            Some("object") => self.object(members, depth),
            Some("array") => self.array(members, name, depth),
            Some("string") => text(members, name),
            Some("integer") => integer(members),
            Some("number") => number(members),
            Some("boolean") => Some(true.into()),
            Some("null") => Some(Value::Null),
            Some(_) => None,
            None => Some(name.into()),
        }
    }

    fn object(&self, members: &Map<String, Value>, depth: usize) -> Option<Value> {
        let empty = Map::new();
        let properties = members.get("properties").and_then(Value::as_object);
        let mut object = Map::new();
        for (name, schema) in properties.unwrap_or(&empty) {
            if let Some(value) = self.of(schema, name, depth + 1) {
                object.insert(name.clone(), value);
            }
        }
        let mut required = list(members, "required").iter().filter_map(Value::as_str);
        if !required.all(|name| object.contains_key(name)) {
            return None;
        }
        let least = count(members, "minProperties").unwrap_or(0);
        (object.len() >= least).then_some(Value::Object(object))
    }

    fn array(&self, members: &Map<String, Value>, name: &str, depth: usize) -> Option<Value> {
        let first = list(members, "prefixItems").iter();
        let made = first.map(|item| self.of(item, name, depth + 1));
        let mut items = made.collect::<Option<Vec<_>>>()?;
        let least = count(members, "minItems").unwrap_or(0);
        let most = count(members, "maxItems");
        if let Some(item) = members.get("items")
            && *item != Value::Bool(false)
            && most != Some(items.len())
            && let Some(value) = self.of(item, name, depth + 1)
        {
            items.push(value);
        }
        (items.len() >= least).then_some(Value::Array(items))
    }
}

/// The value that the schema itself names.
fn given(members: &Map<String, Value>) -> Option<Value> {
    let first = |member| list(members, member).first().cloned();
    first("examples")
        .or_else(|| members.get("example").cloned())
        .or_else(|| members.get("const").cloned())
        .or_else(|| first("enum"))
        .or_else(|| members.get("default").filter(|it| !is_empty(it)).cloned())
}

/// Whether a default shows nothing.
fn is_empty(default: &Value) -> bool {
    match default {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn is_typed(members: &Map<String, Value>) -> bool {
    members.contains_key("type") || members.contains_key("properties")
}

/// The first type that is not `null`.
fn type_of(members: &Map<String, Value>) -> Option<&str> {
    match members.get("type") {
        Some(Value::String(ty)) => Some(ty),
        Some(Value::Array(types)) => {
            let mut types = types.iter().filter_map(Value::as_str);
            types.find(|ty| *ty != "null").or(Some("null"))
        }
        _ if members.contains_key("properties") => Some("object"),
        _ => None,
    }
}

/// A number of items, properties or letters.
fn count(members: &Map<String, Value>, member: &str) -> Option<usize> {
    let count = members.get(member)?.as_u64()?;
    Some(usize::try_from(count).unwrap_or(usize::MAX))
}

fn list<'m>(members: &'m Map<String, Value>, member: &str) -> &'m [Value] {
    members
        .get(member)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The value that is all of these: objects together, or else the first one.
fn merged(parts: Vec<Value>) -> Option<Value> {
    let mut parts = parts.into_iter();
    let mut whole = parts.next()?;
    for part in parts {
        if let (Value::Object(members), Value::Object(more)) = (&mut whole, part) {
            members.extend(more);
        }
    }
    Some(whole)
}

fn text(members: &Map<String, Value>, name: &str) -> Option<Value> {
    if let Some(pattern) = members.get("pattern") {
        return (pattern == DECIMAL).then(|| "9.99".into());
    }
    let known = match members.get("format").and_then(Value::as_str) {
        Some("date-time") => Some("2026-01-31T12:00:00Z"),
        Some("date") => Some("2026-01-31"),
        Some("time") => Some("12:00:00Z"),
        Some("duration") => Some("PT1H"),
        Some("uuid") => Some("0198c0de-0000-7000-8000-000000000001"),
        Some("email") => Some("ann@example.com"),
        Some("uri" | "iri") => Some("https://example.com/"),
        Some("ipv4") => Some("192.0.2.1"),
        Some("ipv6") => Some("2001:db8::1"),
        _ => None,
    };
    if let Some(known) = known {
        return Some(known.into());
    }
    let least = count(members, "minLength").unwrap_or(0);
    let most = count(members, "maxLength");
    let text = name.chars().chain(std::iter::repeat('x'));
    let length = name.chars().count().max(least);
    // An example of a thousand letters would show nothing.
    (length <= 1000).then(|| {
        let taken = text.take(length.min(most.unwrap_or(usize::MAX)));
        Value::String(taken.collect())
    })
}

fn integer(members: &Map<String, Value>) -> Option<Value> {
    let step = members.get("multipleOf").and_then(Value::as_f64);
    let number = in_limits(members, step.unwrap_or(1.0))?;
    // Small numbers only: those of 54 bits and more are no integers for some readers.
    let is_whole = number.fract() == 0.0 && number.abs() < 9e15;
    is_whole.then(|| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole, and small enough"
        )]
        let whole = number as i64;
        whole.into()
    })
}

fn number(members: &Map<String, Value>) -> Option<Value> {
    let step = members.get("multipleOf").and_then(Value::as_f64);
    let number = in_limits(members, step.unwrap_or(0.5))?;
    Number::from_f64(number).map(Value::Number)
}

/// The smallest multiple of a step that is positive, if the limits allow it, and else one that they allow.
fn in_limits(members: &Map<String, Value>, step: f64) -> Option<f64> {
    let limit = |member: &str| members.get(member).and_then(Value::as_f64);
    let least = limit("minimum").unwrap_or(f64::MIN);
    let most = limit("maximum").unwrap_or(f64::MAX);
    let above = limit("exclusiveMinimum").unwrap_or(f64::NEG_INFINITY);
    let below = limit("exclusiveMaximum").unwrap_or(f64::INFINITY);
    let from = (least.max(above) / step).ceil() * step;
    let candidates = [step, from, from + step, 0.0];
    candidates
        .into_iter()
        .find(|it| *it >= least && *it <= most && *it > above && *it < below)
}

/// An example beside a schema, for the objects of OpenAPI that have one.
pub(crate) fn with_example(schema: Value, components: &Components) -> Value {
    match example(&schema, components) {
        Some(example) => json!({"schema": schema, "example": example}),
        None => json!({"schema": schema}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(schema: Value) -> Option<Value> {
        example(&schema, &Components::default())
    }

    #[test]
    fn values_are_within_limits() {
        assert_eq!(of(json!({"type": "integer"})), Some(json!(1)));
        assert_eq!(
            of(json!({"type": "integer", "minimum": 10, "multipleOf": 4})),
            Some(json!(12))
        );
        assert_eq!(
            of(json!({"type": "number", "exclusiveMinimum": 2})),
            Some(json!(2.5))
        );
        assert_eq!(
            of(json!({"type": "integer", "minimum": -9, "maximum": -5})),
            Some(json!(-9))
        );
        assert_eq!(
            of(json!({"type": "string", "minLength": 6, "maxLength": 7})),
            Some(json!("textxx"))
        );
        assert_eq!(
            of(json!({"type": "string", "maxLength": 2})),
            Some(json!("te"))
        );
        assert_eq!(of(json!({"type": "string", "pattern": "^a+$"})), None);
        assert_eq!(
            of(json!({"type": "string", "pattern": DECIMAL})),
            Some(json!("9.99"))
        );
    }

    #[test]
    fn what_the_schema_names_goes_first() {
        let named = json!({"type": "string", "pattern": "^a+$", "examples": ["aa"]});
        assert_eq!(of(named), Some(json!("aa")));
        assert_eq!(of(json!({"enum": ["red", "green"]})), Some(json!("red")));
        assert_eq!(of(json!({"type": "integer", "default": 0})), Some(json!(0)));
    }

    #[test]
    fn objects_have_what_is_required() {
        let object = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "code": {"type": "string", "pattern": "^[A-Z]{2}$"},
                "size": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
            },
            "required": ["name"],
        });
        assert_eq!(of(object.clone()), Some(json!({"name": "name", "size": 1})));
        let mut stricter = object;
        stricter["required"] = json!(["name", "code"]);
        assert_eq!(of(stricter), None);
    }

    #[test]
    fn a_type_that_contains_itself_ends() {
        let mut components = Components::default();
        let tree = json!({
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        });
        let tree = components.add("Tree", &tree);
        assert!(example(&tree, &components).is_some());
        let endless =
            json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]});
        let endless = components.add("Endless", &endless);
        assert_eq!(example(&endless, &components), None);
    }
}
