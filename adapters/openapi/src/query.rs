use cqrs_core::app::Node;
use serde_json::{Map, Value, json};

use crate::command::description;
use crate::components::Components;
use crate::example::{example, with_example};
use crate::headers::{ETAG, IF_NONE_MATCH, LAST_EVENT_ID, MIN_POSITION, header, parameter};
use crate::options::Options;
use crate::schema::without_null;
use crate::text::summary;
use crate::{problems, schema};

/// The operations that ask a query.
pub(crate) fn operations(query: &Node, components: &mut Components, options: &Options) -> Value {
    let name = &query.id.name;
    let root = match &query.schema {
        Some(schema) => schema.clone(),
        None => schema::of_fields(&query.fields),
    };
    let body = components.add(name, &root);
    let answer = match &query.answer {
        Some(answer) => components.share(answer),
        None => json!({}),
    };
    let response = response(answer, components);

    let mut fields = parameters(&body, components);
    fields.extend([MIN_POSITION, IF_NONE_MATCH, LAST_EVENT_ID].map(parameter));
    let mut get = operation(query, options);
    get["operationId"] = format!("ask{name}").into();
    get["parameters"] = fields.into();
    let mut responses = problems::of_query(needs_actor(query), false);
    responses.insert("200".into(), response.clone());
    let unchanged = json!({
        "description": "The answer is the one that the sender has.",
        "headers": {"ETag": header(ETAG)},
    });
    responses.insert("304".into(), unchanged);
    get["responses"] = responses.into();

    let content = if query.schema.is_some() || query.fields.is_empty() {
        with_example(body, components)
    } else {
        json!({"schema": body})
    };
    let mut post = operation(query, options);
    post["operationId"] = format!("post{name}").into();
    post["parameters"] = [MIN_POSITION, LAST_EVENT_ID].map(parameter).to_vec().into();
    post["requestBody"] = json!({
        "required": !query.fields.is_empty(),
        "content": {"application/json": content},
    });
    let mut responses = problems::of_query(needs_actor(query), true);
    responses.insert("200".into(), response);
    post["responses"] = responses.into();
    json!({"get": get, "post": post})
}

/// What both have alike.
fn operation(query: &Node, options: &Options) -> Value {
    let mut operation = json!({"tags": ["Queries"], "description": description(query, "")});
    if let Some(summary) = summary(query.docs) {
        operation["summary"] = summary.into();
    }
    if needs_actor(query)
        && let Some(requirement) = options.requirement(query.permission)
    {
        operation["security"] = requirement;
    }
    operation
}

/// Whether it may be denied.
fn needs_actor(query: &Node) -> bool {
    query.permission.is_some() || query.has_rows
}

fn response(answer: Value, components: &Components) -> Value {
    let description = "The answer. As `text/event-stream`, this answer and each later one: an event `answer` whose \
                       data is the JSON and whose id is its position, or an event `problem`.";
    json!({
        "description": description,
        "headers": {"ETag": header(ETAG)},
        "content": {
            "application/json": with_example(answer, components),
            "text/event-stream": {"schema": {"type": "string"}},
        },
    })
}

/// The fields of a query in a query string: each by itself if all are known, or else as one object.
fn parameters(body: &Value, components: &Components) -> Vec<Value> {
    let schema = components.resolve(body);
    let known = schema["properties"].as_object();
    let is_open = ["allOf", "anyOf", "oneOf", "$ref", "if"]
        .iter()
        .any(|member| !schema[member].is_null());
    if is_open || (known.is_none() && schema["type"] != "object") {
        let all = json!({
            "in": "query", "name": "fields", "style": "form", "explode": true, "schema": body,
        });
        return vec![all];
    }
    let none = Map::new();
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let parameters = known.unwrap_or(&none).iter().map(|(name, schema)| {
        let is_required = required.iter().any(|it| it == name.as_str());
        field(name, schema, is_required, components)
    });
    parameters.collect()
}

fn field(name: &str, schema: &Value, is_required: bool, components: &Components) -> Value {
    let mut schema = without_null(schema);
    let mut field = json!({"in": "query", "name": name, "required": is_required});
    let members = schema.as_object_mut();
    if let Some(description) = members.and_then(|it| it.remove("description")) {
        field["description"] = description;
    }
    let example = example(&schema, components);
    if components.resolve(&schema)["type"] == "object" {
        field["content"] = json!({"application/json": with_example(schema, components)});
        return field;
    }
    field["schema"] = schema;
    if let Some(example) = example {
        field["example"] = example;
    }
    field
}
