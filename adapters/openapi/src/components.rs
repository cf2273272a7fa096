use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::schema::complete;

/// Where the schemas of a document are.
const SCHEMAS: &str = "#/components/schemas/";

/// Where Schemars puts the schemas of the types of fields.
const DEFINITIONS: &str = "#/$defs/";

/// The schemas that a document shares, by name. Two that are equal are one; of two different ones with one name, the later
/// one gets a number.
#[derive(Default)]
pub(crate) struct Components {
    schemas: BTreeMap<String, Value>,
    /// The names of the schemas, by what they were before their references were changed.
    names: BTreeMap<String, String>,
}

impl Components {
    /// Adds the schema of a type with the schemas of its fields' types, and returns a reference to it.
    pub(crate) fn add(&mut self, name: &str, root: &Value) -> Value {
        let mut root = root.clone();
        let definitions = take_definitions(&mut root);
        let name = self.add_definition(name, &root, &definitions);
        reference(&name)
    }

    /// Adds a schema that has no name of its own: what it has is in place, and the types of its fields are shared.
    pub(crate) fn inline(&mut self, root: &Value) -> Value {
        let mut root = root.clone();
        let definitions = take_definitions(&mut root);
        if refers_to_itself(&root) {
            let title = root["title"].as_str().unwrap_or("Answer").to_owned();
            let name = self.add_definition(&title, &root, &definitions);
            return reference(&name);
        }
        let names = self.names_of(&root, &definitions);
        relocate(&mut root, &names, None);
        complete(&mut root);
        root
    }

    /// Adds the schema of a type that no message is called by: under its title, if it has one and is not only made of other
    /// types; otherwise it stays in place. Generators of code name types after that.
    pub(crate) fn share(&mut self, root: &Value) -> Value {
        let has_own = ["properties", "oneOf", "enum"]
            .iter()
            .any(|member| !root[member].is_null());
        match root["title"].as_str() {
            Some(title) if has_own => self.add(title, root),
            _ => self.inline(root),
        }
    }

    /// Adds a schema whose references are those of this document.
    pub(crate) fn put(&mut self, name: &str, schema: Value) -> Value {
        let name = self.free_name(name);
        self.insert(&name, schema)
    }

    /// The same where no other schema has the name.
    pub(crate) fn insert(&mut self, name: &str, schema: Value) -> Value {
        self.schemas.insert(name.to_owned(), schema);
        reference(name)
    }

    /// The schema that a reference leads to, or the schema itself.
    pub(crate) fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let mut schema = schema;
        // No longer than there are schemas: references may go round in a circle.
        for _ in 0..=self.schemas.len() {
            let path = schema["$ref"].as_str();
            let name = path.and_then(|path| path.strip_prefix(SCHEMAS));
            match name.and_then(|name| self.schemas.get(name)) {
                Some(next) => schema = next,
                None => break,
            }
        }
        schema
    }

    pub(crate) fn into_schemas(self) -> Map<String, Value> {
        self.schemas.into_iter().collect()
    }

    fn add_definition(
        &mut self,
        name: &str,
        schema: &Value,
        definitions: &Map<String, Value>,
    ) -> String {
        let schema = &untitled(schema, name);
        let reachable = reachable(schema, definitions);
        let key = json!([name, schema, reachable]).to_string();
        if let Some(known) = self.names.get(&key) {
            return known.clone();
        }
        let name = self.free_name(name);
        self.names.insert(key, name.clone());
        // Its place is taken before its parts are added, which may refer to it.
        self.schemas.insert(name.clone(), Value::Null);
        let names = self.names_of(schema, definitions);
        let mut schema = schema.clone();
        relocate(&mut schema, &names, Some(&name));
        complete(&mut schema);
        name_variants(&mut schema, &name);
        self.schemas.insert(name.clone(), schema);
        name
    }

    /// The names here of the definitions that a schema refers to.
    fn names_of(
        &mut self,
        schema: &Value,
        definitions: &Map<String, Value>,
    ) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        for definition in references(schema) {
            if let Some(found) = definitions.get(&definition) {
                let name = self.add_definition(&definition, found, definitions);
                names.insert(definition, name);
            }
        }
        names
    }

    fn free_name(&self, name: &str) -> String {
        let base = component_name(name);
        let mut free = base.clone();
        let mut number = 1;
        while self.schemas.contains_key(&free) {
            number += 1;
            free = format!("{base}{number}");
        }
        free
    }
}

/// Gives the variants of an enum titles, by which generators of code call their types: otherwise these have numbers.
fn name_variants(schema: &mut Value, name: &str) {
    let Some(Value::Array(variants)) = schema.get_mut("oneOf") else {
        return;
    };
    for variant in variants.iter_mut().filter_map(Value::as_object_mut) {
        let required = variant.get("required").and_then(Value::as_array);
        if let Some([Value::String(only)]) = required.map(Vec::as_slice)
            && !variant.contains_key("title")
        {
            let title = format!("{name}{}", component_name(only));
            variant.insert("title".to_owned(), title.into());
        }
    }
}

/// The schema without a title that says its name again: the schema of a type has it, its definition in another one not.
fn untitled(schema: &Value, name: &str) -> Value {
    let mut schema = schema.clone();
    if let Some(members) = schema.as_object_mut() {
        members.retain(|member, value| member != "title" || value != name);
    }
    schema
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("{SCHEMAS}{name}")})
}

/// A name with the characters that names of components may have.
pub(crate) fn component_name(name: &str) -> String {
    let letters = name.chars();
    let allowed: String = letters
        .map(|letter| if is_allowed(letter) { letter } else { '_' })
        .collect();
    if allowed.is_empty() {
        "_".to_owned()
    } else {
        allowed
    }
}

fn is_allowed(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "._-".contains(letter)
}

fn take_definitions(root: &mut Value) -> Map<String, Value> {
    let Some(members) = root.as_object_mut() else {
        return Map::new();
    };
    members.remove("$schema");
    match members.remove("$defs") {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    }
}

fn refers_to_itself(root: &Value) -> bool {
    let mut found = false;
    visit_references(root, &mut |path| found |= path == "#");
    found
}

/// The names of the definitions that a schema refers to, in order.
fn references(schema: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    visit_references(schema, &mut |path| {
        names.extend(path.strip_prefix(DEFINITIONS).map(unescape));
    });
    names
}

/// The definitions that a schema refers to, and those that these refer to.
fn reachable(schema: &Value, definitions: &Map<String, Value>) -> BTreeMap<String, Value> {
    let mut reached = BTreeMap::new();
    let mut ahead: Vec<String> = references(schema).into_iter().collect();
    while let Some(name) = ahead.pop() {
        if let Some(definition) = definitions.get(&name)
            && !reached.contains_key(&name)
        {
            ahead.extend(references(definition));
            reached.insert(name, definition.clone());
        }
    }
    reached
}

fn visit_references(schema: &Value, visit: &mut impl FnMut(&str)) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(path)) = members.get("$ref") {
                visit(path);
            }
            members.values().for_each(|it| visit_references(it, visit));
        }
        Value::Array(items) => items.iter().for_each(|it| visit_references(it, visit)),
        _ => {}
    }
}

/// Changes the references of a schema to definitions, and those to itself, to the names that they have here.
fn relocate(schema: &mut Value, names: &BTreeMap<String, String>, own: Option<&str>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(path)) = members.get_mut("$ref") {
                let definition = path.strip_prefix(DEFINITIONS).map(unescape);
                let shared = definition.and_then(|it| names.get(&it).map(String::as_str));
                if let Some(name) = shared.or(own.filter(|_| path == "#")) {
                    *path = format!("{SCHEMAS}{name}");
                }
            }
            members.values_mut().for_each(|it| relocate(it, names, own));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| relocate(it, names, own)),
        _ => {}
    }
}

/// The name in a JSON pointer of a URI.
fn unescape(pointer: &str) -> String {
    pointer.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_definitions_are_one() {
        let mut components = Components::default();
        let of = |field: &str| {
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": field,
                "properties": {field: {"$ref": "#/$defs/Id"}},
                "$defs": {"Id": {"type": "string"}},
            })
        };
        components.add("A", &of("a"));
        let b = components.add("B", &of("b"));
        assert_eq!(b, json!({"$ref": "#/components/schemas/B"}));
        let schemas = components.into_schemas();
        assert_eq!(schemas.keys().collect::<Vec<_>>(), ["A", "B", "Id"]);
        assert_eq!(
            schemas["A"],
            json!({"title": "a", "properties": {"a": {"$ref": "#/components/schemas/Id"}}})
        );
    }

    #[test]
    fn a_type_is_shared_under_its_title() {
        let mut components = Components::default();
        let id = json!({"title": "Id", "enum": ["a"]});
        components.add(
            "List",
            &json!({"items": {"$ref": "#/$defs/Id"}, "$defs": {"Id": {"enum": ["a"]}}}),
        );
        let shared = json!({"$ref": "#/components/schemas/Id"});
        assert_eq!(components.share(&id), shared);
        let optional = json!({"title": "Nullable_Id", "anyOf": [{"$ref": "#/$defs/Id"}, {"type": "null"}],
                              "$defs": {"Id": {"enum": ["a"]}}});
        assert_eq!(components.share(&optional)["anyOf"][0], shared);
        let schemas = components.into_schemas();
        assert_eq!(schemas.keys().collect::<Vec<_>>(), ["Id", "List"]);
    }

    #[test]
    fn variants_have_names() {
        let mut components = Components::default();
        let of =
            |name: &str| json!({"type": "object", "required": [name], "properties": {name: {}}});
        let plain = json!({"enum": ["None"]});
        components.add("Id", &json!({"oneOf": [of("Long"), of("a b"), plain]}));
        let schemas = components.into_schemas();
        let variants = schemas["Id"]["oneOf"].as_array().expect("is a list");
        let titles: Vec<_> = variants.iter().map(|it| it["title"].as_str()).collect();
        assert_eq!(titles, [Some("IdLong"), Some("Ida_b"), None]);
    }

    #[test]
    fn different_definitions_of_one_name_get_a_number() {
        let mut components = Components::default();
        for ty in ["string", "integer", "string"] {
            let schema = json!({
                "items": {"$ref": "#/$defs/Id"},
                "$defs": {"Id": {"items": {"$ref": "#/$defs/Raw"}}, "Raw": {"type": ty}},
            });
            components.add("List", &schema);
        }
        let schemas = components.into_schemas();
        let names: Vec<_> = schemas.keys().collect();
        assert_eq!(names, ["Id", "Id2", "List", "List2", "Raw", "Raw2"]);
        assert_eq!(schemas["Id2"]["items"]["$ref"], "#/components/schemas/Raw2");
    }

    #[test]
    fn schemas_that_contain_themselves_end() {
        let mut components = Components::default();
        let tree = json!({
            "properties": {"left": {"$ref": "#"}, "leaf": {"$ref": "#/$defs/Leaf"}},
            "$defs": {"Leaf": {"items": {"$ref": "#/$defs/Leaf"}}},
        });
        components.add("Tree of <T>", &tree);
        assert_eq!(
            components.inline(&tree),
            json!({"$ref": "#/components/schemas/Answer"})
        );
        let schemas = components.into_schemas();
        assert_eq!(
            schemas["Tree_of__T_"]["properties"]["left"]["$ref"],
            "#/components/schemas/Tree_of__T_"
        );
        assert_eq!(
            schemas["Leaf"]["items"]["$ref"],
            "#/components/schemas/Leaf"
        );
    }

    #[test]
    fn a_circle_of_references_resolves() {
        let mut components = Components::default();
        let circle = json!({"$ref": "#/$defs/A", "$defs": {
            "A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"},
        }});
        let reference = components.add("Circle", &circle);
        assert!(components.resolve(&reference)["$ref"].is_string());
    }
}
