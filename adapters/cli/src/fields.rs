use cqrs_core::app::Node;
use serde_json::Value;

/// A field of a message, as the command line takes it.
#[derive(Clone, Debug)]
pub(crate) struct FieldArgument {
    /// The name in the JSON.
    pub(crate) name: String,
    /// The documentation, in one line.
    pub(crate) docs: String,
    /// The type in words, for help.
    pub(crate) type_name: String,
    values: ValueTypes,
}

/// The JSON types that a field accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ValueTypes {
    /// Of the field, or of each item of a list.
    kind: ValueKind,
    is_list: bool,
}

/// The greatest of the types that a value may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum ValueKind {
    #[default]
    Unknown,
    Boolean,
    Number,
    /// Any other JSON.
    Json,
    Text,
}

/// Maximum number of references that are followed from a field to its type.
const MAX_REFERENCES: usize = 16;

impl FieldArgument {
    /// The fields of a message: by its schema, if its type derives one, and otherwise by its declaration.
    pub(crate) fn of(node: &Node) -> Vec<Self> {
        let schema = node.schema.as_ref();
        let properties = schema.and_then(|it| it["properties"].as_object());
        let Some((root, properties)) = schema.zip(properties) else {
            return Self::declared(node);
        };
        let mut fields: Vec<_> = properties
            .iter()
            .map(|(name, property)| {
                let mut values = ValueTypes::default();
                values.add(root, property, MAX_REFERENCES);
                Self {
                    name: name.clone(),
                    docs: first_line(property["description"].as_str().unwrap_or_default()),
                    type_name: values.name().to_owned(),
                    values,
                }
            })
            .collect();
        // As they are declared, as far as their names are the same.
        let declared = |field: &Self| node.fields.iter().position(|it| it.name == field.name);
        fields.sort_by_key(|field| declared(field).unwrap_or(usize::MAX));
        fields
    }

    fn declared(node: &Node) -> Vec<Self> {
        let fields = node.fields.iter().map(|field| {
            let values = ValueTypes {
                kind: match field.ty {
                    "String" | "Option<String>" | "Vec<String>" => ValueKind::Text,
                    "bool" | "Option<bool>" => ValueKind::Boolean,
                    _ => ValueKind::Json,
                },
                is_list: field.ty.starts_with("Vec<"),
            };
            Self {
                name: field.name.to_owned(),
                docs: first_line(field.docs),
                type_name: field.ty.to_owned(),
                values,
            }
        });
        fields.collect()
    }

    /// Whether the option may be given without a value, for `true`.
    pub(crate) fn is_switch(&self) -> bool {
        self.values.kind == ValueKind::Boolean && !self.is_list()
    }

    /// Whether the option may be given several times.
    pub(crate) fn is_list(&self) -> bool {
        self.values.is_list
    }

    /// The JSON of the values that were given.
    pub(crate) fn value(&self, given: &[&str]) -> Value {
        match given {
            [whole] if self.is_list() => match serde_json::from_str(whole) {
                Ok(list @ Value::Array(_)) => list,
                _ => Value::Array(vec![self.one(whole)]),
            },
            several if self.is_list() => several.iter().map(|text| self.one(text)).collect(),
            [.., last] => self.one(last),
            [] => Value::Null,
        }
    }

    /// A single value: a text if the field accepts one, and otherwise JSON. What is no JSON is left to the message's
    /// own checks, as a text.
    fn one(&self, text: &str) -> Value {
        if self.values.kind == ValueKind::Text {
            return text.into();
        }
        serde_json::from_str(text).unwrap_or_else(|_| text.into())
    }
}

impl ValueTypes {
    /// Adds the types that a schema accepts.
    fn add(&mut self, root: &Value, schema: &Value, references: usize) {
        if let Some(reference) = schema["$ref"].as_str() {
            let place = reference.strip_prefix('#').and_then(|it| root.pointer(it));
            if let (Some(schema), Some(left)) = (place, references.checked_sub(1)) {
                self.add(root, schema, left);
            }
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            for schema in schema[key].as_array().into_iter().flatten() {
                if let Some(left) = references.checked_sub(1) {
                    self.add(root, schema, left);
                }
            }
        }
        match &schema["type"] {
            Value::String(name) => self.add_named(root, name, schema, references),
            Value::Array(names) => {
                for name in names.iter().filter_map(Value::as_str) {
                    self.add_named(root, name, schema, references);
                }
            }
            _ => {}
        }
        let mut values = schema["enum"].as_array().into_iter().flatten();
        if schema["const"].is_string() || values.any(Value::is_string) {
            self.kind = ValueKind::Text;
        }
    }

    fn add_named(&mut self, root: &Value, name: &str, schema: &Value, references: usize) {
        let kind = match name {
            "string" => ValueKind::Text,
            "boolean" => ValueKind::Boolean,
            "integer" | "number" => ValueKind::Number,
            "null" => ValueKind::Unknown,
            "array" => {
                self.is_list = true;
                let mut items = Self::default();
                if let Some(left) = references.checked_sub(1) {
                    items.add(root, &schema["items"], left);
                }
                // Texts in the list, and not lists in it.
                if items.is_list {
                    ValueKind::Json
                } else {
                    items.kind
                }
            }
            _ => ValueKind::Json,
        };
        self.kind = self.kind.max(kind);
    }

    fn name(self) -> &'static str {
        match self.kind {
            ValueKind::Text => "TEXT",
            ValueKind::Boolean => "true|false",
            ValueKind::Number => "NUMBER",
            ValueKind::Json | ValueKind::Unknown => "JSON",
        }
    }
}

fn first_line(docs: &str) -> String {
    let line = docs.lines().next().unwrap_or_default().trim();
    line.strip_suffix('.').unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(schema: Value) -> FieldArgument {
        let mut values = ValueTypes::default();
        let definitions = json!({"$defs": {
            "Id": {"type": "string"},
            "Line": {"type": "object"},
            "Endless": {"$ref": "#/$defs/Endless"},
        }});
        values.add(&definitions, &schema, MAX_REFERENCES);
        FieldArgument {
            name: "field".to_owned(),
            docs: String::new(),
            type_name: values.name().to_owned(),
            values,
        }
    }

    #[test]
    fn a_text_stays_a_text_where_the_field_accepts_one() {
        for schema in [
            json!({"type": "string"}),
            json!({"type": ["string", "number"]}),
            json!({"$ref": "#/$defs/Id"}),
            json!({"anyOf": [{"$ref": "#/$defs/Id"}, {"type": "null"}]}),
            json!({"enum": ["red", "5"]}),
        ] {
            assert_eq!(field(schema).value(&["5"]), json!("5"));
        }
        assert_eq!(field(json!({"type": "integer"})).value(&["5"]), json!(5));
        assert_eq!(field(json!(true)).value(&["5"]), json!(5));
        let number = field(json!({"type": ["integer", "null"]}));
        assert_eq!(number.value(&["null"]), Value::Null);
        assert_eq!(number.value(&["cheap"]), json!("cheap"));
    }

    #[test]
    fn a_list_is_given_value_by_value_or_as_a_whole() {
        let texts = field(json!({"type": "array", "items": {"$ref": "#/$defs/Id"}}));
        assert_eq!(texts.value(&["1", "2"]), json!(["1", "2"]));
        assert_eq!(texts.value(&["1"]), json!(["1"]));
        assert_eq!(texts.value(&[r#"["1", "2"]"#]), json!(["1", "2"]));
        let lines = field(json!({"type": "array", "items": {"$ref": "#/$defs/Line"}}));
        let expected = json!([{"units": 2}, {"units": 3}]);
        assert_eq!(
            lines.value(&[r#"{"units": 2}"#, r#"{"units": 3}"#]),
            expected
        );
        assert_eq!(lines.value(&[&expected.to_string()]), expected);
    }

    #[test]
    fn only_a_boolean_needs_no_value() {
        assert!(field(json!({"type": "boolean"})).is_switch());
        assert!(field(json!({"type": ["boolean", "null"]})).is_switch());
        assert!(!field(json!({"type": ["boolean", "string"]})).is_switch());
        assert!(!field(json!({"type": "integer"})).is_switch());
    }

    #[test]
    fn a_schema_that_refers_to_itself_has_an_end() {
        let endless = field(json!({"$ref": "#/$defs/Endless"}));
        assert_eq!(endless.value(&["5"]), json!(5));
    }
}
