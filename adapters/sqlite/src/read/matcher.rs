use std::collections::HashMap;

use cqrs_core::store::{EventQuery, EventQueryItem, EventType, Tag, Tags};

/// Matches events against a query. With many items, it finds the candidates by tag.
pub(crate) enum Matcher<'q> {
    Query(&'q EventQuery),
    Items {
        /// Items by their first tag, which every event that they match has.
        tagged: HashMap<&'q Tag, Vec<&'q EventQueryItem>>,
        untagged: Vec<&'q EventQueryItem>,
    },
}

/// Number of items up to which each is compared with every event.
const SCAN_UP_TO: usize = 8;

impl<'q> Matcher<'q> {
    pub(crate) fn new(query: &'q EventQuery) -> Self {
        let items = match query {
            EventQuery::Items(items) if items.len() > SCAN_UP_TO => items,
            EventQuery::All | EventQuery::Items(_) => return Self::Query(query),
        };
        let mut tagged = HashMap::<_, Vec<_>>::with_capacity(items.len());
        let mut untagged = Vec::new();
        for item in items {
            match item.tags.first() {
                Some(tag) => tagged.entry(tag).or_default().push(item),
                None => untagged.push(item),
            }
        }
        Self::Items { tagged, untagged }
    }

    /// Whether an event with this type and these tags matches.
    pub(crate) fn matches(&self, event_type: &EventType, tags: &Tags) -> bool {
        let (tagged, untagged) = match self {
            Self::Query(query) => return query.matches(event_type, tags),
            Self::Items { tagged, untagged } => (tagged, untagged),
        };
        let found = tags.into_iter().filter_map(|tag| tagged.get(tag));
        let mut items = found.flatten().chain(untagged);
        items.any(|item| item.matches(event_type, tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_items_match_what_each_of_them_matches() {
        let item = |event_type: Option<&'static str>, tags: &[&str]| EventQueryItem {
            types: event_type.map(EventType::new).into_iter().collect(),
            tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
        };
        let mut items: Vec<_> = (0..20)
            .map(|number| item(Some("opened"), &[&format!("a:{number}")]))
            .collect();
        items.push(item(None, &["b:1", "b:2"]));
        items.push(item(Some("closed"), &[]));
        let query = EventQuery::Items(items);
        let matcher = Matcher::new(&query);
        assert!(matches!(matcher, Matcher::Items { .. }));
        for name in ["opened", "closed", "other"] {
            for tags in [
                &[][..],
                &["a:7"],
                &["a:99"],
                &["b:1"],
                &["b:2", "b:1"],
                &["x:1", "a:0"],
            ] {
                let tags = tags.iter().map(|tag| Tag::from(*tag)).collect::<Tags>();
                let event_type = EventType::new(name);
                let expected = query.matches(&event_type, &tags);
                assert_eq!(
                    matcher.matches(&event_type, &tags),
                    expected,
                    "{name} {tags:?}"
                );
            }
        }
    }
}
