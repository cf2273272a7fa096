use std::fmt::Write;

use cqrs_core::app::{Model, NodeKind};
use serde_json::{Map, json};

use crate::components::Components;
use crate::document::Document;
use crate::options::Options;
use crate::{answers, command, headers, problems, query};

/// The OpenAPI 3.1 document of the commands and queries of a program, as `cqrs_http::router` serves them.
pub fn openapi(model: &Model, options: &Options) -> Document {
    let mut components = Components::default();
    // First, so that a type of the program with one of these names gets another one.
    let responses = problems::responses(&mut components);
    components.insert("CommandReceipt", answers::receipt());
    let mut paths = Map::new();
    let commands = model.of_kind(NodeKind::Command);
    for node in commands.filter(|_| options.has_commands()) {
        let operation = command::operation(node, model, &mut components, options);
        paths.insert(format!("/commands/{}", segment(&node.id.name)), operation);
    }
    for node in model.of_kind(NodeKind::Query) {
        let operations = query::operations(node, &mut components, options);
        paths.insert(format!("/queries/{}", segment(&node.id.name)), operations);
    }
    let mut shared = json!({
        "schemas": components.into_schemas(),
        "parameters": headers::parameters(),
        "headers": headers::headers(),
        "responses": responses,
    });
    let schemes = options.security_schemes();
    if !schemes.is_empty() {
        shared["securitySchemes"] = schemes.into();
    }
    Document::new(json!({
        "openapi": "3.1.0",
        "info": options.info(),
        "servers": options.servers(),
        "tags": [{"name": "Commands"}, {"name": "Queries"}],
        "paths": paths,
        "components": shared,
    }))
}

/// A name as a segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let mut segment = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_segments_of_paths() {
        assert_eq!(segment("shop.Buy-It_2"), "shop.Buy-It_2");
        assert_eq!(segment("a/{b} é"), "a%2F%7Bb%7D%20%C3%A9");
    }
}
