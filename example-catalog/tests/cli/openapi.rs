use serde_json::Value;

use crate::program::Program;

#[test]
fn the_document_has_every_message_without_a_database() {
    let program = Program::new();
    let text = program.ok(&["openapi"]);
    let document: Value = serde_json::from_str(&text).expect("is JSON");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "Product catalog");
    let create = &document["paths"]["/commands/CreateProduct"]["post"];
    assert_eq!(create["summary"], "Adds a product to the catalog");
    let body = &create["requestBody"]["content"]["application/json"];
    assert_eq!(body["example"]["product_id"], "P001");
    let problems = &create["responses"]["409"]["content"]["application/problem+json"];
    assert_eq!(
        problems["examples"]["AlreadyExists"]["value"]["type"],
        "urn:cqrs:problem:rejected:CreateProduct:already-exists"
    );
    let answer = &document["paths"]["/queries/GetAllProducts"]["get"]["responses"]["200"];
    let schema = &answer["content"]["application/json"]["schema"];
    assert_eq!(schema["$ref"], "#/components/schemas/Page");
    let schema = &document["components"]["schemas"]["Page"];
    assert_eq!(
        schema["properties"]["items"]["items"]["$ref"],
        "#/components/schemas/ProductCard"
    );
    assert!(!program.path("catalog.db").exists());
    let text_of_events = program.ok(&["asyncapi"]);
    let events: Value = serde_json::from_str(&text_of_events).expect("is JSON");
    let created = &events["components"]["messages"]["product-created.1"];
    assert_eq!(
        created["examples"][0]["payload"]["data"]["product_id"],
        "P001"
    );
    // It is the same in each process.
    assert_eq!(text, program.ok(&["openapi"]));
}
