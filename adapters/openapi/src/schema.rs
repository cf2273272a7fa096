use cqrs_core::app::Field;
use serde_json::{Map, Value, json};

/// Minimum and maximum of the formats of integers, of which Schemars names the former only.
const INTEGERS: [(&str, i128, i128); 10] = [
    ("uint8", 0, u8::MAX as i128),
    ("uint16", 0, u16::MAX as i128),
    ("uint32", 0, u32::MAX as i128),
    ("uint64", 0, u64::MAX as i128),
    ("uint", 0, u64::MAX as i128),
    ("int8", i8::MIN as i128, i8::MAX as i128),
    ("int16", i16::MIN as i128, i16::MAX as i128),
    ("int32", i32::MIN as i128, i32::MAX as i128),
    ("int64", i64::MIN as i128, i64::MAX as i128),
    ("int", i64::MIN as i128, i64::MAX as i128),
];

/// A schema of a message whose type derives none: its fields, and what is certain about them. Their names in JSON and
/// whether they have to be there is up to Serde.
pub(crate) fn of_fields(fields: &[Field]) -> Value {
    let properties = fields.iter().map(|field| {
        let mut property = of_type(field.ty);
        if !field.docs.is_empty() {
            property.insert("description".into(), field.docs.into());
        }
        (field.name.to_owned(), Value::Object(property))
    });
    let listed: Map<_, _> = properties.collect();
    let mut schema = json!({"type": "object"});
    if !listed.is_empty() {
        schema["properties"] = Value::Object(listed);
    }
    schema
}

/// What is certain about a type as it is written in Rust.
fn of_type(ty: &str) -> Map<String, Value> {
    let kind = match ty {
        "String" => Some("string"),
        "bool" => Some("boolean"),
        "f32" | "f64" => Some("number"),
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => {
            Some("integer")
        }
        _ => None,
    };
    let mut schema = Map::new();
    if let Some(kind) = kind {
        schema.insert("type".into(), kind.into());
    }
    schema.insert("title".into(), ty.into());
    schema
}

/// Adds to a schema, and to those in it, what is left out of the schemas of integers.
pub(crate) fn complete(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let format = members.get("format").and_then(Value::as_str);
            let known = INTEGERS.iter().find(|(name, _, _)| format == Some(name));
            if let Some((_, minimum, maximum)) = known {
                for (member, limit) in [("minimum", *minimum), ("maximum", *maximum)] {
                    if !members.contains_key(member) {
                        members.insert(member.to_owned(), number(limit));
                    }
                }
            }
            members.values_mut().for_each(complete);
        }
        Value::Array(items) => items.iter_mut().for_each(complete),
        _ => {}
    }
}

fn number(limit: i128) -> Value {
    match (i64::try_from(limit), u64::try_from(limit)) {
        (Ok(limit), _) => limit.into(),
        (_, Ok(limit)) => limit.into(),
        _ => Value::Null,
    }
}

/// The schema without `null` among what it allows.
pub(crate) fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let Some(members) = schema.as_object_mut() else {
        return schema;
    };
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|ty| ty != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            members.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = members.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if members.get("default").is_some_and(Value::is_null) {
        members.remove("default");
    }
    for choice in ["anyOf", "oneOf"] {
        let Some(Value::Array(options)) = members.get_mut(choice) else {
            continue;
        };
        options.retain(|option| option["type"] != "null");
        if let [Value::Object(only)] = &options[..] {
            let only = only.clone();
            members.remove(choice);
            // What is said of the field goes before what is said of its type.
            for (member, value) in only {
                members.entry(member).or_insert(value);
            }
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_limits() {
        let mut schema = json!({"properties": {
            "a": {"type": "integer", "format": "uint32", "minimum": 1},
            "b": {"type": ["integer", "null"], "format": "int64"},
            "c": {"type": "integer", "format": "uint64", "minimum": 0},
        }});
        complete(&mut schema);
        assert_eq!(schema["properties"]["a"]["minimum"], 1);
        assert_eq!(schema["properties"]["a"]["maximum"], u32::MAX);
        assert_eq!(schema["properties"]["b"]["minimum"], i64::MIN);
        assert_eq!(schema["properties"]["c"]["maximum"], u64::MAX);
    }

    #[test]
    fn an_optional_value_may_be_left_out_instead_of_null() {
        let number = json!({"type": ["integer", "null"], "default": null});
        assert_eq!(without_null(&number), json!({"type": "integer"}));
        let reference = json!({"anyOf": [{"$ref": "#/x"}, {"type": "null"}], "description": "X"});
        assert_eq!(
            without_null(&reference),
            json!({"$ref": "#/x", "description": "X"})
        );
    }

    #[test]
    fn a_type_without_a_schema_shows_its_fields() {
        let fields = [
            Field::new("name", "String", "Its name."),
            Field::new("price", "Decimal", ""),
        ];
        let expected = json!({"type": "object", "properties": {
            "name": {"type": "string", "title": "String", "description": "Its name."},
            "price": {"title": "Decimal"},
        }});
        assert_eq!(of_fields(&fields), expected);
        assert_eq!(of_fields(&[]), json!({"type": "object"}));
    }
}
