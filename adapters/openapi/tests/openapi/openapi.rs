use serde_json::{Value, json};

use crate::{openapi_document, program};

fn document() -> Value {
    openapi_document().value().clone()
}

/// Each reference in a document.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(
                members
                    .get("$ref")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            members.values().for_each(|it| references(it, found));
        }
        Value::Array(items) => items.iter().for_each(|it| references(it, found)),
        _ => {}
    }
}

#[test]
fn standard_validators_accept_the_document() {
    let Some(printed) = program::check(&openapi_document(), "the OpenAPI document") else {
        return;
    };
    let count = printed.split(' ').next().and_then(|it| it.parse().ok());
    assert!(count.is_some_and(|count: u32| count >= 50), "{printed}");
}

#[test]
fn each_reference_leads_to_something() {
    let document = document();
    let mut all = Vec::new();
    references(&document, &mut all);
    assert!(all.len() > 50);
    for reference in all {
        let pointer = reference.strip_prefix('#').expect("is in the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn the_same_model_gives_the_same_document() {
    assert_eq!(openapi_document(), openapi_document());
    assert_eq!(
        openapi_document().to_string(),
        openapi_document().to_string()
    );
}

#[test]
fn a_command_has_all_that_is_known_of_it() {
    let document = document();
    let lend = &document["paths"]["/commands/LendBook"]["post"];
    assert_eq!(lend["operationId"], "sendLendBook");
    assert_eq!(lend["summary"], "Lends a book");
    let description = lend["description"].as_str().expect("is a text");
    for text in [
        "The reader gets it for four weeks.",
        "Needs the permission `library:lend`.",
        "Events: `book-lent`.",
    ] {
        assert!(description.contains(text), "{description}");
    }
    assert_eq!(lend["security"], json!([{"actor": ["library:lend"]}]));
    let statuses: Vec<_> = lend["responses"]
        .as_object()
        .expect("is one")
        .keys()
        .collect();
    assert_eq!(
        statuses,
        [
            "200", "400", "401", "403", "408", "409", "412", "413", "415", "422", "429", "500",
            "503", "504", "507"
        ]
    );
    let rejected = &lend["responses"]["409"]["content"]["application/problem+json"];
    assert_eq!(
        rejected["examples"]["TooMany"],
        json!({
            "summary": "The reader has too many",
            "value": {
                "type": "urn:cqrs:problem:rejected:LendBook:too-many",
                "title": "Conflict",
                "status": 409,
                "detail": "the reason: rejected LendBook too many",
            },
        })
    );
    let body = &lend["requestBody"];
    assert_eq!(body["required"], true);
    let example = &body["content"]["application/json"]["example"];
    assert_eq!(example["kind"], "Short", "{example}");
    let schema = &document["components"]["schemas"]["LendBook"];
    assert_eq!(
        schema["properties"]["book"]["description"],
        "The number on its spine."
    );
    assert_eq!(schema["properties"]["book"]["maximum"], u32::MAX);
}

#[test]
fn messages_without_fields_or_schema_are_there_too() {
    let document = document();
    let close = &document["paths"]["/commands/CloseLibrary"]["post"];
    assert_eq!(close["requestBody"]["required"], false);
    assert!(close["responses"]["403"].is_null() && close["security"].is_null());
    assert_eq!(
        close["requestBody"]["content"]["application/json"]["example"],
        json!({})
    );
    let paint = &document["paths"]["/commands/library%2Fpaint%20it"]["post"];
    let schema = &paint["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(schema["$ref"], "#/components/schemas/library_paint_it");
    let schema = &document["components"]["schemas"]["library_paint_it"];
    assert_eq!(schema["properties"]["color"]["type"], "string");
    assert_eq!(schema["properties"]["layers"]["title"], "Option<u8>");
}

#[test]
fn a_query_has_parameters_and_an_answer() {
    let document = document();
    let path = &document["paths"]["/queries/BooksOf"];
    let parameters = path["get"]["parameters"].as_array().expect("is a list");
    let named = |name: &str| {
        let mut all = parameters.iter();
        all.find(|it| it["name"] == name).unwrap_or(&Value::Null)
    };
    assert_eq!(named("reader")["required"], true);
    assert_eq!(named("reader")["description"], "Whose.");
    assert_eq!(named("page")["schema"]["type"], "integer");
    assert_eq!(named("floors")["schema"]["type"], "array");
    assert!(named("near")["content"]["application/json"].is_object());
    let answer = &path["get"]["responses"]["200"]["content"];
    let schema = answer["application/json"]["schema"]["$ref"].as_str();
    let schema = schema.and_then(|it| document.pointer(it.strip_prefix('#')?));
    assert_eq!(
        schema.expect("is shared")["properties"]["items"]["items"]["$ref"],
        "#/components/schemas/LentBook"
    );
    assert_eq!(answer["text/event-stream"]["schema"]["type"], "string");
    assert!(path["get"]["responses"]["304"].is_object());
    assert!(path["get"]["responses"]["415"].is_null());
    assert!(path["post"]["responses"]["304"].is_null());
    assert!(path["post"]["responses"]["415"].is_object());
    // Fields of which some come from another type are one object.
    let open = &document["paths"]["/queries/FindBooks"]["get"]["parameters"][0];
    assert_eq!(
        (&open["name"], &open["explode"]),
        (&json!("fields"), &json!(true))
    );
}

#[test]
fn each_problem_of_the_guide_is_in_the_document() {
    let guide = include_str!("../../../../docs/guides/http.md");
    let table = guide.split("\n## Problems\n").nth(1).expect("has one");
    let text = openapi_document().to_string();
    let mut count = 0;
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split(" | ").collect();
        let status = cells[1];
        for kind in cells[0].split('`').skip(1).step_by(2) {
            // A path or method that is not in the document has these.
            if ["unknown", "method"].contains(&kind) || kind.contains('{') {
                continue;
            }
            let example = format!("\"status\": {status},");
            let kind = format!("\"urn:cqrs:problem:{kind}\"");
            let is_there = text.split("\"value\": {").any(|value| {
                let value = value.split('}').next().unwrap_or_default();
                value.contains(&example) && value.contains(&kind)
            });
            assert!(is_there, "{kind} {status}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn commands_are_left_out_where_they_are_not_served() {
    let options = crate::options().only_queries();
    let document = cqrs_openapi::openapi(&cqrs_core::app::model(), &options);
    let paths = document.value()["paths"].as_object().expect("is one");
    assert!(paths.keys().all(|path| path.starts_with("/queries/")));
    assert_eq!(paths.len(), 3);
}
