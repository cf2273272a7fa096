//! The headers of requests and answers, beside those of HTTP itself.

use axum::http::{HeaderMap, HeaderName, StatusCode};
use cqrs_core::app::Bookmark;
use cqrs_core::{Actor, CommandId, Position, Uuid};

use crate::problem::Problem;

/// The command's id (`draft-ietf-httpapi-idempotency-key-header`).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The bookmark of a command's events.
pub(crate) const LOG_POSITION: HeaderName = HeaderName::from_static("log-position");

/// The position since which nothing may have concerned the command's aggregates.
const IF_MATCH: HeaderName = HeaderName::from_static("if-match");

/// What a query's read models have to include.
const MIN_POSITION: HeaderName = HeaderName::from_static("min-position");

/// The position after which a stream of events goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Maximum number of characters of an idempotency key.
const MAX_KEY: usize = 255;

/// Maximum number of positions in one request.
const MAX_POSITIONS: usize = 16;

/// A place in the log that a query waits for.
pub(crate) enum Place {
    Bookmark(Bookmark),
    Position(Position),
}

/// The command's id. A key that is a UUID is the id itself; any other one is one only for this actor, so that two clients
/// who count from 1 do not get each other's receipts.
pub(crate) fn command_id(
    headers: &HeaderMap,
    actor: Option<&Actor>,
) -> Result<Option<CommandId>, Problem> {
    let Some(key) = single(headers, &IDEMPOTENCY_KEY)? else {
        return Ok(None);
    };
    // A string of structured fields (RFC 9651), or a bare key.
    let quoted = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    let key = quoted.unwrap_or(key);
    if key.is_empty() || key.len() > MAX_KEY {
        let detail = format!("an `Idempotency-Key` has 1 to {MAX_KEY} characters");
        return Err(bad_header(detail));
    }
    if let Ok(uuid) = Uuid::try_parse(key) {
        // Ids of this version are those of commands that reactions and process managers send. One of them must not
        // be taken by somebody who guesses it, and hashing it would let a command that has it be carried out twice.
        if uuid.get_version_num() == 8 {
            let detail = "an `Idempotency-Key` is no UUID of version 8, which the server derives: send one of \
                          version 4 or 7, or any other text";
            return Err(bad_header(detail));
        }
        return Ok(Some(CommandId::from(uuid)));
    }
    let scope = match actor {
        Some(actor) => format!("Idempotency-Key of {}", actor.name()),
        None => "Idempotency-Key".to_owned(),
    };
    Ok(Some(CommandId::derived(&scope, key.as_bytes())))
}

/// What the query's read models have to include: bookmarks from `Log-Position`, or positions.
pub(crate) fn min_positions(headers: &HeaderMap) -> Result<Vec<Place>, Problem> {
    let mut places = Vec::new();
    for value in headers.get_all(MIN_POSITION) {
        let text = value
            .to_str()
            .map_err(|_| bad_header("`Min-Position` is not a text"))?;
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            if places.len() == MAX_POSITIONS {
                let detail = format!("`Min-Position` has more than {MAX_POSITIONS} positions");
                return Err(bad_header(detail));
            }
            places.push(place(part)?);
        }
    }
    Ok(places)
}

/// The position after which a stream goes on.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<Position>, Problem> {
    let Some(text) = single(headers, &LAST_EVENT_ID)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let number = text
        .parse()
        .map_err(|_| bad_header("`Last-Event-ID` is not a position"))?;
    Ok(Some(Position::new(number)))
}

/// The position since which nothing may have concerned the command's aggregates, as `"17"`.
pub(crate) fn unchanged_since(headers: &HeaderMap) -> Result<Option<Position>, Problem> {
    let Some(text) = single(headers, &IF_MATCH)? else {
        return Ok(None);
    };
    let tag = text.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    let number = tag.unwrap_or(text).parse();
    let position = number.map(|number| Some(Position::new(number)));
    position.map_err(|_| bad_header("`If-Match` of a command is one position, as `\"17\"`"))
}

fn place(text: &str) -> Result<Place, Problem> {
    if let Ok(number) = text.parse() {
        return Ok(Place::Position(Position::new(number)));
    }
    let bookmark = text.parse().map(Place::Bookmark);
    bookmark.map_err(|_| {
        bad_header("`Min-Position` is neither a position nor the value of a `Log-Position`")
    })
}

/// The value of a header that may be there once.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(bad_header(format!("`{name}` is there more than once")));
    }
    let text = value.map(|value| value.to_str()).transpose();
    text.map_err(|_| bad_header(format!("`{name}` is not a text")))
}

fn bad_header(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-header", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(key: &str, actor: Option<&str>) -> Option<CommandId> {
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, key.parse().expect("is a value"));
        let actor = actor.map(Actor::new);
        command_id(&headers, actor.as_ref()).ok().flatten()
    }

    #[test]
    fn a_key_that_is_a_uuid_is_the_id() {
        let uuid = "8e03978e-40d5-43e8-bc93-6894a57f9324";
        let id = id_of(uuid, Some("ann")).expect("is a key");
        assert_eq!(id.as_uuid().to_string(), uuid);
        assert_eq!(id_of(&format!("\"{uuid}\""), None), Some(id));
    }

    #[test]
    fn an_id_that_the_server_derives_is_no_key() {
        let reaction = CommandId::derived("reaction", b"event");
        let assigned = CommandId::assigned(cqrs_core::Timestamp::now());
        for id in [reaction, assigned] {
            let text = id.to_string();
            assert_eq!(id_of(&text, None), None, "{text}");
            assert_eq!(id_of(&format!("\"{text}\""), None), None);
            assert_eq!(id_of(&format!("urn:uuid:{text}"), None), None);
            assert_eq!(id_of(&text.replace('-', "").to_uppercase(), None), None);
        }
    }

    #[test]
    fn another_key_is_one_of_its_actor() {
        let ann = id_of("order 1", Some("ann"));
        assert!(ann.is_some());
        assert_eq!(ann, id_of("order 1", Some("ann")));
        assert_ne!(ann, id_of("order 1", Some("bob")));
        assert_ne!(ann, id_of("order 1", None));
        assert_ne!(ann, id_of("order 2", Some("ann")));
    }

    #[test]
    fn keys_have_a_limit_and_come_once() {
        assert_eq!(id_of("", None), None);
        assert_eq!(id_of(&"k".repeat(MAX_KEY + 1), None), None);
        let mut headers = HeaderMap::new();
        headers.append(IDEMPOTENCY_KEY, "a".parse().expect("is a value"));
        headers.append(IDEMPOTENCY_KEY, "b".parse().expect("is a value"));
        let twice = command_id(&headers, None).expect_err("is refused");
        assert_eq!(twice.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_command_matches_one_position() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, text.parse().expect("is a value"));
            unchanged_since(&headers).ok().flatten()
        };
        assert_eq!(read("\"17\""), Some(Position::new(17)));
        assert_eq!(read("17"), Some(Position::new(17)));
        for text in ["*", "W/\"17\"", "\"17\", \"18\"", "-1", "\"17", ""] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn positions_have_a_limit() {
        let mut headers = HeaderMap::new();
        headers.append(MIN_POSITION, "3, 4".parse().expect("is a value"));
        headers.append(MIN_POSITION, "5".parse().expect("is a value"));
        assert_eq!(min_positions(&headers).map(|it| it.len()), Ok(3));
        let many = vec!["1"; MAX_POSITIONS + 1].join(",");
        headers.insert(MIN_POSITION, many.parse().expect("is a value"));
        assert!(min_positions(&headers).is_err());
        headers.insert(MIN_POSITION, "soon".parse().expect("is a value"));
        assert!(min_positions(&headers).is_err());
    }
}
