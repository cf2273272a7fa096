use cqrs_core::error::Rejected;
use serde_json::{Map, Value, json};

use crate::components::{Components, component_name};
use crate::headers::{ACCEPT_ENCODING, CHALLENGE, RETRY_AFTER, header};

/// What the types of all problems begin with.
const TYPES: &str = "urn:cqrs:problem:";

/// A response that several operations have: its name, status, description, kinds of problems and headers.
struct Shared {
    name: &'static str,
    status: u16,
    description: &'static str,
    kinds: &'static [&'static str],
    header: Option<(&'static str, &'static str)>,
}

const RETRY: Option<(&str, &str)> = Some(("Retry-After", RETRY_AFTER));

const INVALID_COMMAND: Shared = Shared {
    name: "InvalidCommand",
    status: 400,
    description: "The command or a header is not valid.",
    kinds: &["invalid", "bad-header"],
    header: None,
};
const INVALID_QUERY: Shared = Shared {
    name: "InvalidQuery",
    status: 400,
    description: "The query or a header is not valid, or nothing tells when the answer changes.",
    kinds: &["invalid", "bad-header", "not-watchable"],
    header: None,
};
const UNAUTHENTICATED: Shared = Shared {
    name: "Unauthenticated",
    status: 401,
    description: "The sender is not known.",
    kinds: &["unauthenticated"],
    header: Some(("WWW-Authenticate", CHALLENGE)),
};
const DENIED: Shared = Shared {
    name: "Denied",
    status: 403,
    description: "The sender does not have the permission.",
    kinds: &["denied"],
    header: None,
};
const BODY_LATE: Shared = Shared {
    name: "BodyLate",
    status: 408,
    description: "The body did not arrive in time.",
    kinds: &["body-late"],
    header: None,
};
const BODY_TOO_LARGE: Shared = Shared {
    name: "BodyTooLarge",
    status: 413,
    description: "The body is too large.",
    kinds: &["body-too-large"],
    header: None,
};
const NOT_JSON: Shared = Shared {
    name: "NotJson",
    status: 415,
    description: "The body is not JSON, or has a `Content-Encoding`.",
    kinds: &["not-json", "body-encoded"],
    header: Some(("Accept-Encoding", ACCEPT_ENCODING)),
};
const KEY_REUSED: Shared = Shared {
    name: "KeyReused",
    status: 422,
    description: "The `Idempotency-Key` was used for another command, or with other fields.",
    kinds: &["key-reused"],
    header: None,
};
const TOO_MANY_REQUESTS: Shared = Shared {
    name: "TooManyRequests",
    status: 429,
    description: "The sender has sent too many requests. Nothing was done.",
    kinds: &["too-many-requests"],
    header: RETRY,
};
const FAILED: Shared = Shared {
    name: "Failed",
    status: 500,
    description: "A handler or the store failed.",
    kinds: &["failed"],
    header: None,
};
const COMMAND_UNAVAILABLE: Shared = Shared {
    name: "CommandUnavailable",
    status: 503,
    description: "Nothing was done. The same request may succeed later.",
    kinds: &[
        "busy",
        "overloaded",
        "store-unavailable",
        "store-read-only",
        "shut-down",
        "not-in-role",
    ],
    header: RETRY,
};
const QUERY_UNAVAILABLE: Shared = Shared {
    name: "QueryUnavailable",
    status: 503,
    description: "The read models are not as far as the query asks for, or the server cannot answer now.",
    kinds: &[
        "behind",
        "rebuilding",
        "parked",
        "busy",
        "overloaded",
        "store-unavailable",
        "store-read-only",
        "shut-down",
        "not-in-role",
    ],
    header: RETRY,
};
const MOVED: Shared = Shared {
    name: "Moved",
    status: 412,
    description: "The aggregates of the command have changed since the position in `If-Match`.",
    kinds: &["moved"],
    header: None,
};
const LOG_REPLACED: Shared = Shared {
    name: "LogReplaced",
    status: 409,
    description: "The log ends before the position of the reader, as after the restore of a backup.",
    kinds: &["log-replaced"],
    header: None,
};
const STORE_FULL: Shared = Shared {
    name: "StoreFull",
    status: 507,
    description: "The disk of the store is full. Nothing was done.",
    kinds: &["store-full"],
    header: None,
};
const INDETERMINATE: Shared = Shared {
    name: "Indeterminate",
    status: 504,
    description: "It is not known whether the command was carried out. The same request with the same \
                  `Idempotency-Key` tells.",
    kinds: &["indeterminate"],
    header: None,
};
const LATE: Shared = Shared {
    name: "Late",
    status: 504,
    description: "The query was not answered in time.",
    kinds: &["late"],
    header: None,
};

const OF_COMMANDS: [Shared; 10] = [
    INVALID_COMMAND,
    UNAUTHENTICATED,
    MOVED,
    KEY_REUSED,
    TOO_MANY_REQUESTS,
    FAILED,
    COMMAND_UNAVAILABLE,
    STORE_FULL,
    INDETERMINATE,
    DENIED,
];
const OF_QUERIES: [Shared; 9] = [
    INVALID_QUERY,
    UNAUTHENTICATED,
    LOG_REPLACED,
    TOO_MANY_REQUESTS,
    FAILED,
    QUERY_UNAVAILABLE,
    STORE_FULL,
    LATE,
    DENIED,
];
const OF_BODIES: [Shared; 3] = [BODY_LATE, BODY_TOO_LARGE, NOT_JSON];

/// What is answered with 409 beside rejections.
const CONFLICTS: [(&str, &str); 3] = [
    ("log-replaced", "The log was replaced by an older one"),
    ("conflict", "Others changed the same data"),
    (
        "in-progress",
        "A request with this key is still being carried out",
    ),
];

/// The problems that a command may be answered with, but for its rejections.
pub(crate) fn of_command(has_permission: bool) -> Map<String, Value> {
    let all = OF_COMMANDS.iter().chain(&OF_BODIES);
    references(all, has_permission)
}

/// The problems that a query may be answered with.
pub(crate) fn of_query(has_permission: bool, has_body: bool) -> Map<String, Value> {
    let bodies = if has_body { &OF_BODIES[..] } else { &[] };
    references(OF_QUERIES.iter().chain(bodies), has_permission)
}

/// The shared responses, whose schemas are added.
pub(crate) fn responses(components: &mut Components) -> Map<String, Value> {
    components.insert("InvalidField", invalid_field());
    components.insert("Problem", schema());
    let all = OF_COMMANDS.iter().chain(&OF_QUERIES).chain(&OF_BODIES);
    all.map(|shared| (shared.name.to_owned(), shared.response(components)))
        .collect()
}

fn invalid_field() -> Value {
    json!({
        "type": "object",
        "description": "A field that is not valid.",
        "required": ["pointer", "detail"],
        "properties": {
            "pointer": {"type": "string", "description": "A JSON pointer (RFC 6901), as a fragment."},
            "detail": {"type": "string", "description": "What is wrong with it."},
        },
    })
}

/// The schema of every problem.
fn schema() -> Value {
    json!({
        "type": "object",
        "description": "Problem details of RFC 9457.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri", "description": "The stable kind of the problem."},
            "title": {"type": "string", "description": "The status in words."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What is wrong with this request."},
            "errors": {
                "type": "array",
                "description": "The fields that are not valid.",
                "items": {"$ref": "#/components/schemas/InvalidField"},
            },
        },
    })
}

/// The response 409 of a command with this name, whose error has this schema.
pub(crate) fn rejected(
    command: &str,
    rejection: Option<&Value>,
    components: &mut Components,
) -> Value {
    let variants = rejection.map(variants).unwrap_or_default();
    let mut examples = Map::new();
    let mut kinds = Vec::new();
    for (name, docs) in variants {
        let kind = format!("rejected:{command}:{}", Rejected::kind_of(&name));
        let mut example = json!({"value": problem(409, &kind)});
        if !docs.is_empty() {
            example["summary"] = docs.into();
        }
        kinds.push(format!("{TYPES}{kind}"));
        examples.insert(name, example);
    }
    for (kind, summary) in CONFLICTS {
        let example = json!({"summary": summary, "value": problem(409, kind)});
        examples.insert(kind.to_owned(), example);
        kinds.push(format!("{TYPES}{kind}"));
    }
    // An attribute of Serde may rename a variant, but not in the type of the problem.
    let others = CONFLICTS.map(|(kind, _)| kind).join("|");
    let types = json!({
        "type": "string",
        "pattern": format!("^{TYPES}(rejected:|({others})$)"),
        "examples": kinds,
    });
    let description = "The domain rejects the command, others changed the same data during each attempt, or a request with \
                       the same `Idempotency-Key` is still being carried out.";
    let mut schema = of_types(types);
    let mut error = rejection.map_or_else(|| json!({}), |schema| components.share(schema));
    error["description"] = "The error of the domain as JSON, of a rejection.".into();
    schema["properties"]["rejection"] = error;
    let schema = components.put(&format!("{}Conflict", component_name(command)), schema);
    let mut response = response(description, &schema, Value::Object(examples));
    response["headers"] = json!({"Retry-After": header(RETRY_AFTER)});
    response
}

fn references<'s>(
    all: impl Iterator<Item = &'s Shared>,
    has_permission: bool,
) -> Map<String, Value> {
    let given = all.filter(|shared| has_permission || shared.status != 403);
    let references = given.map(|shared| {
        let path = format!("#/components/responses/{}", shared.name);
        (shared.status.to_string(), json!({"$ref": path}))
    });
    references.collect()
}

impl Shared {
    fn response(&self, components: &mut Components) -> Value {
        let kinds: Vec<_> = self.kinds.iter().map(|it| format!("{TYPES}{it}")).collect();
        let examples = self.kinds.iter().map(|kind| {
            let example = json!({"value": problem(self.status, kind)});
            ((*kind).to_owned(), example)
        });
        let types = json!({"type": "string", "enum": kinds});
        let schema = components.insert(&format!("{}Problem", self.name), of_types(types));
        let examples = Value::Object(examples.collect());
        let mut response = response(self.description, &schema, examples);
        if let Some((name, shared)) = self.header {
            response["headers"] = json!({name: header(shared)});
        }
        response
    }
}

fn response(description: &str, schema: &Value, examples: Value) -> Value {
    json!({
        "description": description,
        "content": {"application/problem+json": {"schema": schema, "examples": examples}},
    })
}

/// Problems whose types are of a schema.
fn of_types(types: Value) -> Value {
    json!({
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {"type": types},
    })
}

fn problem(status: u16, kind: &str) -> Value {
    let title = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        408 => "Request Timeout",
        409 => "Conflict",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        507 => "Insufficient Storage",
        _ => "Gateway Timeout",
    };
    let detail = format!("the reason: {}", kind.replace(['-', ':'], " "));
    json!({"type": format!("{TYPES}{kind}"), "title": title, "status": status, "detail": detail})
}

/// The names of an enum's variants as Serde writes them, with their documentation. Of another type, none: its rejections
/// have the name of the type itself, which its JSON does not tell.
fn variants(schema: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect_variants(schema, &mut found);
    found
}

fn collect_variants(schema: &Value, found: &mut Vec<(String, String)>) {
    let docs = schema["description"].as_str().unwrap_or_default();
    let summary = crate::text::summary(docs).unwrap_or_default();
    for choice in ["oneOf", "anyOf"] {
        for variant in schema[choice].as_array().into_iter().flatten() {
            collect_variants(variant, found);
        }
    }
    if schema["oneOf"].is_array() || schema["anyOf"].is_array() {
        return;
    }
    if let Some(name) = schema["const"].as_str() {
        found.push((name.to_owned(), summary));
        return;
    }
    if let Some(names) = schema["enum"].as_array() {
        let names = names.iter().filter_map(Value::as_str);
        found.extend(names.map(|name| (name.to_owned(), String::new())));
        return;
    }
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let mut tags = properties.values().filter_map(|it| it["const"].as_str());
    let tag = tags.next();
    let only = properties.keys().next().filter(|_| properties.len() == 1);
    if let Some(name) = tag.or(only.map(String::as_str)) {
        found.push((name.to_owned(), summary));
    }
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, schema_for};

    use super::*;

    #[test]
    fn the_variants_of_an_error_are_found() {
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only its schema is looked at")]
        enum External {
            /// Nothing is left.
            SoldOut,
            TooMany(u8),
            BadPrice {
                price: u32,
                most: u32,
            },
        }
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only its schema is looked at")]
        #[serde(tag = "kind", rename_all = "snake_case")]
        enum Internal {
            SoldOut,
            BadPrice { price: u32 },
        }
        #[derive(JsonSchema)]
        enum Plain {
            Full,
            Closed,
        }
        let _ = (Plain::Full, Plain::Closed);
        let names = |schema: Value| {
            let found = variants(&schema);
            let mut names: Vec<_> = found
                .iter()
                .map(|(name, _)| Rejected::kind_of(name))
                .collect();
            names.sort();
            names
        };
        let external = schema_for!(External).to_value();
        let docs = variants(&external).into_iter().find(|it| it.0 == "SoldOut");
        assert_eq!(docs.map(|it| it.1).as_deref(), Some("Nothing is left"));
        assert_eq!(names(external), ["bad-price", "sold-out", "too-many"]);
        let internal = schema_for!(Internal).to_value();
        assert_eq!(names(internal), ["bad-price", "sold-out"]);
        assert_eq!(names(schema_for!(Plain).to_value()), ["closed", "full"]);
        assert_eq!(names(schema_for!(String).to_value()), Vec::<String>::new());
    }
}
