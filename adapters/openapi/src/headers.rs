use serde_json::{Map, Value, json};

/// Names of shared parameters.
pub(crate) const IDEMPOTENCY_KEY: &str = "IdempotencyKey";
pub(crate) const IF_MATCH: &str = "IfMatch";
pub(crate) const MIN_POSITION: &str = "MinPosition";
pub(crate) const IF_NONE_MATCH: &str = "IfNoneMatch";
pub(crate) const LAST_EVENT_ID: &str = "LastEventId";

/// Names of shared headers of answers.
pub(crate) const LOG_POSITION: &str = "LogPosition";
pub(crate) const ETAG: &str = "ETag";
pub(crate) const RETRY_AFTER: &str = "RetryAfter";
pub(crate) const CHALLENGE: &str = "WwwAuthenticate";
pub(crate) const ACCEPT_ENCODING: &str = "AcceptEncoding";

/// A reference to a shared parameter.
pub(crate) fn parameter(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

/// A reference to a shared header.
pub(crate) fn header(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}

/// The shared parameters: headers of requests.
pub(crate) fn parameters() -> Map<String, Value> {
    let key = json!({
        "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]([ !#-~]*[!#-~])?$",
    });
    let places = "([0-9]{1,19}|1-[0-9a-f]{8}-[0-9]{1,19}(-[0-9a-f-]+)?)";
    let positions = json!({"type": "string", "pattern": format!("^({places}( *, *{places})*)?$")});
    let all = [
        (
            IDEMPOTENCY_KEY,
            "Idempotency-Key",
            "The command's id: a UUID as it is, any other text as a name that belongs to the sender. The same key with the \
             same body has its effect once, and gets the same receipt.",
            key,
        ),
        (
            IF_MATCH,
            "If-Match",
            "The position up to which the sender has seen the command's aggregates: if one of them has changed since, the \
             status is 412.",
            json!({"type": "string", "pattern": "^([0-9]{1,19}|\"[0-9]{1,19}\")$"}),
        ),
        (
            MIN_POSITION,
            "Min-Position",
            "The `Log-Position` of a command, or a position: the query waits until its read models include it. Up to 16, \
             separated by commas.",
            positions,
        ),
        (
            IF_NONE_MATCH,
            "If-None-Match",
            "The `ETag` of an answer: if it is still the same, the status is 304.",
            json!({"type": "string"}),
        ),
        (
            LAST_EVENT_ID,
            "Last-Event-ID",
            "The position after which a `text/event-stream` goes on: no answer is older.",
            json!({"type": "string"}),
        ),
    ];
    let named = all.map(|(name, header, description, schema)| {
        let parameter =
            json!({"in": "header", "name": header, "description": description, "schema": schema});
        (name.to_owned(), parameter)
    });
    named.into_iter().collect()
}

/// The shared headers of answers.
pub(crate) fn headers() -> Map<String, Value> {
    let text = json!({"type": "string"});
    let all = [
        (
            LOG_POSITION,
            "The place of the command's events. A query with it as `Min-Position` includes them.",
            text.clone(),
        ),
        (ETAG, "Stands for the answer's content.", text.clone()),
        (
            RETRY_AFTER,
            "Seconds after which the same request may succeed.",
            json!({"type": "integer", "minimum": 0}),
        ),
        (CHALLENGE, "How a request names its sender.", text.clone()),
        (
            ACCEPT_ENCODING,
            "The encoding that a body may have, if it is that.",
            text,
        ),
    ];
    let named = all.map(|(name, description, schema)| {
        let header = json!({"description": description, "schema": schema});
        (name.to_owned(), header)
    });
    named.into_iter().collect()
}
