use cqrs_core::app::{Model, Node, NodeKind, Verb};
use serde_json::{Value, json};

use crate::answers::receipt_example;
use crate::components::Components;
use crate::example::with_example;
use crate::headers::{IDEMPOTENCY_KEY, IF_MATCH, LOG_POSITION, header, parameter};
use crate::options::Options;
use crate::text::summary;
use crate::{problems, schema};

/// The operation that sends a command.
pub(crate) fn operation(
    command: &Node,
    model: &Model,
    components: &mut Components,
    options: &Options,
) -> Value {
    let name = &command.id.name;
    let schema = match &command.schema {
        Some(schema) => components.add(name, schema),
        None => components.add(name, &schema::of_fields(&command.fields)),
    };
    // Without a schema, it is not known which fields have to be there.
    let content = if command.schema.is_some() || command.fields.is_empty() {
        with_example(schema, components)
    } else {
        json!({"schema": schema})
    };
    let mut responses = problems::of_command(command.permission.is_some());
    responses.insert(
        "409".into(),
        problems::rejected(name, command.rejection.as_ref(), components),
    );
    responses.insert("200".into(), answer());
    let headers = [IDEMPOTENCY_KEY, IF_MATCH].map(parameter);
    let mut operation = json!({
        "operationId": format!("send{name}"),
        "tags": ["Commands"],
        "description": description(command, &events(command, model)),
        "parameters": headers,
        "requestBody": {
            "required": !command.fields.is_empty(),
            "content": {"application/json": content},
        },
        "responses": responses,
    });
    if let Some(summary) = summary(command.docs) {
        operation["summary"] = summary.into();
    }
    if let Some(requirement) = command
        .permission
        .and_then(|it| options.requirement(Some(it)))
    {
        operation["security"] = requirement;
    }
    json!({"post": operation})
}

fn answer() -> Value {
    json!({
        "description": "The receipt of the command.",
        "headers": {"Log-Position": header(LOG_POSITION)},
        "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/CommandReceipt"},
            "example": receipt_example(),
        }},
    })
}

/// The documentation of a message, with what is known of it beside its schema.
pub(crate) fn description(message: &Node, more: &str) -> String {
    let mut parts = vec![message.docs.to_owned()];
    parts.extend(
        message
            .permission
            .map(|permission| format!("Needs the permission `{permission}`.")),
    );
    parts.push(more.to_owned());
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// The events that the handlers of a command may return.
fn events(command: &Node, model: &Model) -> String {
    let handlers = model
        .edges_to(&command.id)
        .filter(|edge| edge.verb == Verb::Handles && edge.from.kind == NodeKind::CommandHandler);
    let emitted = handlers
        .flat_map(|handler| model.edges_from(&handler.from))
        .filter(|edge| edge.verb == Verb::Emits);
    let events: Vec<_> = emitted.map(|edge| format!("`{}`", edge.to.name)).collect();
    if events.is_empty() {
        return String::new();
    }
    format!("Events: {}.", events.join(", "))
}
