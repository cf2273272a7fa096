use cqrs_core::store::{Boundary, EventQuery, Tag};

/// The tags of the events that requests depend on, each with the number of its request.
#[derive(Default)]
pub(super) struct WatchedTags<'b> {
    /// `None` stands for all events.
    pub(super) tags: Vec<Option<&'b str>>,
    pub(super) requests: Vec<i64>,
}

impl<'b> WatchedTags<'b> {
    /// Adds the tags of the events that the request depends on. Each such event has the first tag of an
    /// item. More events may have it: then the request is decided again, and that decides.
    pub(super) fn add(&mut self, request: i64, boundary: &'b Boundary) {
        let EventQuery::Items(items) = &*boundary.fail_if else {
            self.tags.push(None);
            self.requests.push(request);
            return;
        };
        for item in items {
            let tag = item.tags.first().map(Tag::as_str);
            // PostgreSQL stores no text with a NUL in it, and rejects one as a parameter.
            if tag.is_none_or(|tag| !tag.contains('\0')) {
                self.tags.push(tag);
                self.requests.push(request);
            }
        }
    }
}
