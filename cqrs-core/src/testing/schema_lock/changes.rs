//! Differences of two schemas by their fields, as a report has them.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields that were added, removed and changed.
pub(super) fn changed_fields(before: [&Value; 2], after: [&Value; 2]) -> String {
    let mut fields: BTreeMap<String, &str> = BTreeMap::new();
    for (one, other) in before.into_iter().zip(after) {
        compare("", one, other, &mut fields);
    }
    let mut parts = Vec::new();
    for word in ["added", "removed", "changed"] {
        let of_word = fields.iter().filter(|(_, it)| **it == word);
        let names: Vec<_> = of_word.map(|(name, _)| format!("`{name}`")).collect();
        if !names.is_empty() {
            parts.push(format!("{word} {}", names.join(", ")));
        }
    }
    if parts.is_empty() {
        "changed".to_owned()
    } else {
        parts.join("; ")
    }
}

fn compare(path: &str, one: &Value, other: &Value, fields: &mut BTreeMap<String, &str>) {
    if one == other {
        return;
    }
    let properties = |schema: &Value| schema.get("properties").and_then(Value::as_object).cloned();
    let (Some(before), Some(after)) = (properties(one), properties(other)) else {
        if !path.is_empty() {
            fields.insert(path.to_owned(), "changed");
        }
        return;
    };
    let join = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    for (name, schema) in &before {
        match after.get(name) {
            Some(again) => compare(&join(name), schema, again, fields),
            None => {
                fields.insert(join(name), "removed");
            }
        }
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        fields.insert(join(name), "added");
    }
    // What is required is not a part of the field's own schema.
    let required = |schema: &Value, name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|it| it == name))
    };
    for name in before.keys().filter(|name| after.contains_key(*name)) {
        if required(one, name) != required(other, name) {
            fields.insert(join(name), "changed");
        }
    }
}

/// The defaults of fields, by their paths.
pub(super) fn defaults(schema: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    collect("", schema, &mut found);
    found
}

fn collect(path: &str, schema: &Value, found: &mut BTreeMap<String, Value>) {
    let Value::Object(keywords) = schema else {
        return;
    };
    if let Some(default) = keywords.get("default") {
        found.insert(path.to_owned(), default.clone());
    }
    for (name, schema) in properties(schema) {
        let path = match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        collect(&path, schema, found);
    }
    if let Some(items) = keywords.get("items") {
        collect(&format!("{path}[]"), items, found);
    }
    for word in ["oneOf", "anyOf", "allOf"] {
        let alternatives = keywords.get(word).and_then(Value::as_array);
        for alternative in alternatives.into_iter().flatten() {
            // A variant has its tag, so that its place makes no difference.
            let mut tags = properties(alternative)
                .filter_map(|(_, schema)| schema.get("const").and_then(Value::as_str));
            let path = match tags.next() {
                Some(tag) => format!("{path}({tag})"),
                None => path.to_owned(),
            };
            collect(&path, alternative, found);
        }
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let entries = properties.into_iter().flatten();
    entries.map(|(name, schema)| (name.as_str(), schema))
}
