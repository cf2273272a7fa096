use axum::http::StatusCode;
use cqrs_core::store::{EventQuery, EventQueryItem, EventType, Tag};
use cqrs_core::{Position, Timestamp};

use crate::problem::Problem;

/// Maximum number of types, and of tags, of one feed.
const MAX_PARTS: usize = 32;

/// The events that a reader of the log wants.
#[derive(Debug, PartialEq)]
pub(crate) struct EventFilter {
    pub(crate) query: EventQuery,
    /// The position after which they begin.
    pub(crate) after: Option<Position>,
    /// The actor whose commands have recorded them.
    pub(crate) actor: Option<String>,
    pub(crate) since: Option<Timestamp>,
}

impl EventFilter {
    /// Reads a query string: `type`, of which an event has any, `tag`, of which it has all, `actor`, `since` and `after`.
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        let mut item = EventQueryItem::default();
        let (mut after, mut actor, mut since) = (None, None, None);
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*name {
                "type" => item.types.push(EventType::from(&*value)),
                "tag" => item.tags.push(tag(&value)?),
                "after" => {
                    let Ok(number) = value.parse() else {
                        return Err(refused("after", "it is no position"));
                    };
                    after = Some(Position::new(number));
                }
                "actor" if actor.is_none() => actor = Some(value.into_owned()),
                "actor" => return Err(refused("actor", "it is there more than once")),
                "since" => {
                    let Ok(time) = value.parse() else {
                        let reason = "it is no time such as `2026-03-01T12:00:00Z`";
                        return Err(refused("since", reason));
                    };
                    since = Some(time);
                }
                other => {
                    let name: String = other.chars().take(80).collect();
                    return Err(refused(
                        &name,
                        "events are selected by `type`, `tag`, `actor`, `since` and `after`",
                    ));
                }
            }
            if item.types.len().max(item.tags.len()) > MAX_PARTS {
                let reason = format!("it is there more than {MAX_PARTS} times");
                return Err(refused(&name, &reason));
            }
        }
        let query = if item.types.is_empty() && item.tags.is_empty() {
            EventQuery::All
        } else {
            EventQuery::Items(vec![item])
        };
        Ok(Self {
            query,
            after,
            actor,
            since,
        })
    }
}

/// `account:7`, as events have it.
fn tag(text: &str) -> Result<Tag, Problem> {
    match text.split_once(':') {
        Some((name, id)) if !name.is_empty() && !id.is_empty() => Ok(Tag::new(name, id)),
        _ => Err(refused("tag", "it is no tag such as `account:7`")),
    }
}

fn refused(parameter: &str, reason: &str) -> Problem {
    let detail = format!("`{parameter}`: {reason}");
    Problem::new(StatusCode::BAD_REQUEST, "invalid", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_any_of_the_types_and_all_of_the_tags() {
        let read = EventFilter::read(
            "type=opened&type=closed&tag=account%3A7&after=12&actor=ann+b&since=1970-01-01T00%3A00%3A00Z",
        );
        let item = EventQueryItem {
            types: vec!["opened".into(), "closed".into()],
            tags: vec![Tag::new("account", 7)],
        };
        let filter = EventFilter {
            query: EventQuery::Items(vec![item]),
            after: Some(Position::new(12)),
            actor: Some("ann b".to_owned()),
            since: Some(Timestamp::UNIX_EPOCH),
        };
        assert_eq!(read.ok(), Some(filter));
        let all = EventFilter::read("").ok();
        assert_eq!(all.map(|it| it.query), Some(EventQuery::All));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in [
            "tag=account",
            "tag=:7",
            "after=-1",
            "after=",
            "types=opened",
            "actor=ann&actor=bob",
            "since=yesterday",
        ] {
            assert!(EventFilter::read(text).is_err(), "{text}");
        }
        assert!(EventFilter::read(&"type=a&".repeat(MAX_PARTS)).is_ok());
        assert!(EventFilter::read(&"type=a&".repeat(MAX_PARTS + 1)).is_err());
    }
}
