use crate::registry::AggregateEntry;
use crate::store::{EventQueryItem, Tag, Tags};

/// The names of tags that are others in the log: of aggregates that were renamed, since an event keeps the tags
/// with which it was recorded.
///
/// New events are recorded under the name in the log, too. So a program of before the change and one of after it
/// see each other's events, and their decisions exclude each other.
#[derive(Default)]
pub(crate) struct TagNames(Vec<TagName>);

struct TagName {
    present: &'static str,
    stored: &'static str,
}

impl TagNames {
    pub(crate) fn new(aggregates: &[&'static AggregateEntry]) -> Self {
        let renamed = aggregates.iter().filter_map(|entry| {
            Some(TagName {
                present: entry.aggregate.name,
                stored: entry.was?,
            })
        });
        Self(renamed.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name in the log of a tag with this name.
    pub(crate) fn stored_name(&self, present: &'static str) -> &'static str {
        let renamed = self.0.iter().find(|it| it.present == present);
        renamed.map_or(present, |it| it.stored)
    }

    /// The tag as the log has it, if that is another one.
    pub(crate) fn stored_tag(&self, tag: &Tag) -> Option<Tag> {
        let (name, id) = tag.parts();
        let renamed = self.0.iter().find(|it| it.present == name)?;
        Some(Tag::new(renamed.stored, id))
    }

    /// The tags as the log has them, if these are others.
    pub(crate) fn stored_tags(&self, tags: &Tags) -> Option<Tags> {
        renamed(tags, |tag| self.stored_tag(tag))
    }

    /// The tags as the program has them, if these are others.
    pub(crate) fn present_tags(&self, tags: &Tags) -> Option<Tags> {
        renamed(tags, |tag| self.present_tag(tag))
    }

    fn present_tag(&self, tag: &Tag) -> Option<Tag> {
        let (name, id) = tag.parts();
        let renamed = self.0.iter().find(|it| it.stored == name)?;
        Some(Tag::new(renamed.present, id))
    }

    /// Whether an event with these tags has others in the program.
    pub(super) fn has_stored(&self, tags: &Tags) -> bool {
        let mut renamed = self.0.iter();
        renamed.any(|it| tags.iter().any(|tag| tag.name() == it.stored))
    }

    /// Adds an item to a query, once for each of the names that its tags may have in the log: also the present
    /// ones, since a program that did not know the earlier ones may have recorded events under them.
    pub(super) fn expand(&self, item: EventQueryItem, items: &mut Vec<EventQueryItem>) {
        let first = items.len();
        items.push(item);
        for place in 0..items[first].tags.len() {
            let Some(stored) = self.stored_tag(&items[first].tags[place]) else {
                continue;
            };
            for known in first..items.len() {
                let mut other = items[known].clone();
                other.tags[place] = stored.clone();
                items.push(other);
            }
        }
    }

    /// Whether the item has a tag with another name in the log.
    pub(super) fn concern(&self, item: &EventQueryItem) -> bool {
        let mut renamed = self.0.iter();
        renamed.any(|it| item.tags.iter().any(|tag| tag.name() == it.present))
    }
}

/// The tags with other names, `None` if they have none.
fn renamed(tags: &Tags, rename: impl Fn(&Tag) -> Option<Tag>) -> Option<Tags> {
    let mut is_other = false;
    let renamed = tags.iter().map(|tag| {
        let renamed = rename(tag);
        is_other |= renamed.is_some();
        renamed.unwrap_or_else(|| tag.clone())
    });
    let all: Tags = renamed.collect();
    is_other.then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> TagNames {
        TagNames(vec![
            TagName {
                present: "item",
                stored: "product",
            },
            TagName {
                present: "member",
                stored: "customer",
            },
        ])
    }

    fn tags(tags: &[&str]) -> Tags {
        tags.iter().map(|tag| Tag::from(*tag)).collect()
    }

    #[test]
    fn tags_are_renamed_in_place() {
        let names = names();
        let present = tags(&["shop:1", "item:1", "member:a:b"]);
        let stored = tags(&["shop:1", "product:1", "customer:a:b"]);
        assert_eq!(names.stored_tags(&present), Some(stored.clone()));
        assert_eq!(names.present_tags(&stored), Some(present.clone()));
        assert!(names.has_stored(&stored) && !names.has_stored(&present));
        let both = tags(&["product:1", "item:1"]);
        assert_eq!(names.present_tags(&both), Some(tags(&["item:1"])));
        let other = tags(&["shop:1", "items:1"]);
        assert_eq!(names.stored_tags(&other), None);
        assert_eq!(names.present_tags(&other), None);
    }

    #[test]
    fn an_item_is_asked_for_under_all_names_of_its_tags() {
        let names = names();
        let item = |all: &[&str]| EventQueryItem {
            types: vec!["noted".into()],
            tags: tags(all).into(),
        };
        let mut items = vec![item(&["shop:1"])];
        names.expand(item(&["shop:2", "item:1", "member:2"]), &mut items);
        let expected = [
            item(&["shop:1"]),
            item(&["shop:2", "item:1", "member:2"]),
            item(&["shop:2", "product:1", "member:2"]),
            item(&["shop:2", "item:1", "customer:2"]),
            item(&["shop:2", "product:1", "customer:2"]),
        ];
        assert_eq!(items, expected);
        assert!(!names.concern(&expected[0]) && names.concern(&expected[1]));
    }
}
