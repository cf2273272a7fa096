use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cqrs_core::app::Field;
use serde_json::{Map, Value};

/// What is known of the types of a query's fields, which a query string does not tell.
pub(crate) struct FieldTypes {
    /// The fields that take a text, whatever it looks like.
    texts: BTreeSet<String>,
    /// The fields that take a list.
    lists: BTreeSet<String>,
}

/// The fields of a query from its query string. A value of a type that is not known is read as JSON, if it is that, and
/// otherwise as a text.
pub(crate) struct QueryString {
    values: BTreeMap<String, Vec<String>>,
    /// `None` for a query that is not known.
    types: Option<Arc<FieldTypes>>,
    /// Further fields that are read as texts, since their values were refused as JSON.
    texts: BTreeSet<String>,
}

impl FieldTypes {
    pub(crate) fn of(fields: &[Field]) -> Self {
        let lists = fields.iter().filter(|field| is_list(field.ty));
        let texts = fields.iter().filter(|field| is_text(field.ty));
        Self {
            lists: lists.map(|field| field.name.to_owned()).collect(),
            texts: texts.map(|field| field.name.to_owned()).collect(),
        }
    }
}

impl QueryString {
    /// Without types, as of a query that is not known, every value is one of a type that is not known.
    pub(crate) fn read(text: &str, types: Option<Arc<FieldTypes>>) -> Self {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let all = values.entry(name.into_owned()).or_default();
            all.push(value.into_owned());
        }
        Self {
            values,
            types,
            texts: BTreeSet::new(),
        }
    }

    /// The fields as JSON.
    pub(crate) fn json(&self) -> Vec<u8> {
        let fields = self.values.iter().map(|(name, values)| {
            let is_text = self.is_text(name);
            let mut all = values.iter().map(|value| value_of(value, is_text));
            let is_list = self.is_list(name) || all.len() > 1;
            let value = match all.next() {
                Some(value) if !is_list => value,
                first => Value::Array(first.into_iter().chain(all).collect()),
            };
            (name.clone(), value)
        });
        Value::Object(fields.collect::<Map<_, _>>())
            .to_string()
            .into_bytes()
    }

    /// Reads a field as a text from now on, after its value was refused as JSON. Returns whether that makes a difference.
    pub(crate) fn read_as_text(&mut self, path: &str) -> bool {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let name = &path[..end];
        let known = self.values.get(name);
        let differs = known.is_some_and(|values| {
            values
                .iter()
                .any(|value| value_of(value, false) != value_of(value, true))
        });
        differs && !self.is_text(name) && self.texts.insert(name.to_owned())
    }

    fn is_text(&self, name: &str) -> bool {
        let types = self.types.as_deref();
        self.texts.contains(name) || types.is_some_and(|it| it.texts.contains(name))
    }

    fn is_list(&self, name: &str) -> bool {
        let types = self.types.as_deref();
        types.is_some_and(|it| it.lists.contains(name))
    }
}

fn value_of(text: &str, is_text: bool) -> Value {
    let json = if is_text {
        None
    } else {
        serde_json::from_str(text).ok()
    };
    json.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn is_list(ty: &str) -> bool {
    ["Vec<", "BTreeSet<", "HashSet<", "VecDeque<"]
        .iter()
        .any(|list| ty.starts_with(list))
}

/// Whether it is a text, an optional one, or a list of texts.
fn is_text(ty: &str) -> bool {
    let inner = ty.trim_end_matches('>').rsplit('<').next().unwrap_or(ty);
    matches!(inner.trim(), "String" | "str" | "char")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> Arc<FieldTypes> {
        let fields = [
            Field::new("name", "String", ""),
            Field::new("colors", "Vec<String>", ""),
            Field::new("page", "Option<u32>", ""),
            Field::new("sku", "Sku", ""),
            Field::new("prices", "Vec<u64>", ""),
        ];
        Arc::new(FieldTypes::of(&fields))
    }

    fn json(text: &str) -> Value {
        let json = QueryString::read(text, Some(types())).json();
        serde_json::from_slice(&json).expect("is JSON")
    }

    #[test]
    fn values_are_of_the_fields_types() {
        assert_eq!(
            json("name=7&colors=1&page=2&sku=A+1&prices=3&prices=4"),
            serde_json::json!({
                "name": "7", "colors": ["1"], "page": 2, "sku": "A 1", "prices": [3, 4]
            })
        );
        assert_eq!(json(""), serde_json::json!({}));
        assert_eq!(
            json("name=%F0%9F%90%9D"),
            serde_json::json!({"name": "\u{1f41d}"})
        );
    }

    #[test]
    fn a_number_that_is_refused_is_read_as_a_text() {
        let mut query = QueryString::read("sku=17&page=2", Some(types()));
        assert!(query.read_as_text("sku"));
        assert!(!query.read_as_text("sku"), "it is one already");
        assert!(!query.read_as_text("other"));
        let json: Value = serde_json::from_slice(&query.json()).expect("is JSON");
        assert_eq!(json, serde_json::json!({"sku": "17", "page": 2}));
    }
}
