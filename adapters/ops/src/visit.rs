use std::sync::Arc;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use axum::http::{Extensions, Uri};
use cqrs_core::Actor;
use tokio::sync::OwnedSemaphorePermit;

use crate::desk::Desk;
use crate::fields::{Fields, encoded};
use crate::refusal::Refusal;
use crate::table::Column;

/// A request of somebody who may look at the pages.
pub(crate) struct Visit {
    pub(crate) links: Links,
    pub(crate) actor: Option<Actor>,
    /// Whether the actor may change something.
    pub(crate) may_change: bool,
    /// The fields of the query string.
    pub(crate) fields: Fields,
    _permit: OwnedSemaphorePermit,
}

impl Visit {
    /// The columns of a table whose last one is for changes, as far as they are for the visitor.
    pub(crate) fn columns<'c>(&self, columns: &'c [Column]) -> &'c [Column] {
        let count = columns.len() - usize::from(!self.may_change);
        columns.get(..count).unwrap_or_default()
    }
}

/// The path at which the pages are nested.
#[derive(Clone)]
pub(crate) struct Links {
    base: String,
}

impl Links {
    /// From the path of a request, which begins with the one that the application has nested the pages at.
    pub(crate) fn of(uri: &Uri, extensions: &Extensions) -> Self {
        let original = extensions.get::<OriginalUri>();
        let path = original.map_or_else(|| uri.path(), |OriginalUri(uri)| uri.path());
        let base = match uri.path() {
            "/" => path.strip_suffix('/').unwrap_or(path),
            own => path.strip_suffix(own).unwrap_or_default(),
        };
        Self {
            // It would be the name of another server.
            base: if base.starts_with("//") { "" } else { base }.to_owned(),
        }
    }

    /// The address of a page.
    pub(crate) fn to(&self, page: &str) -> String {
        if page.is_empty() && !self.base.is_empty() {
            return self.base.clone();
        }
        format!("{}/{page}", self.base)
    }

    /// The address of a page with these fields.
    pub(crate) fn with(&self, page: &str, fields: &[(&str, &str)]) -> String {
        let mut address = self.to(page);
        for (place, (name, value)) in fields.iter().enumerate() {
            address.push(if place == 0 { '?' } else { '&' });
            address.push_str(name);
            address.push('=');
            address.push_str(&encoded(value));
        }
        address
    }
}

impl FromRequestParts<Arc<Desk>> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(head: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Refusal> {
        let actor = desk.admit(head)?;
        Ok(Self {
            links: Links::of(&head.uri, &head.extensions),
            may_change: desk.permit_change(actor.as_ref()).is_ok(),
            fields: Fields::read(head.uri.query().unwrap_or_default().as_bytes())?,
            actor,
            _permit: desk.begin()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(original: &'static str, own: &'static str) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(OriginalUri(Uri::from_static(original)));
        Links::of(&Uri::from_static(own), &extensions).to("")
    }

    #[test]
    fn links_begin_with_the_path_of_the_pages() {
        assert_eq!(base("/ops", "/"), "/ops");
        assert_eq!(base("/ops/", "/"), "/ops");
        assert_eq!(
            base("/shop/ops/events?type=a", "/events?type=a"),
            "/shop/ops"
        );
        assert_eq!(base("/", "/"), "/");
        assert_eq!(base("//evil.example/ops", "/"), "/");
    }

    #[test]
    fn ids_are_encoded() {
        let links = Links {
            base: "/ops".to_owned(),
        };
        let address = links.with("event", &[("name", "a b"), ("id", "&\"<x>/..")]);
        assert_eq!(address, "/ops/event?name=a+b&id=%26%22%3Cx%3E%2F..");
    }
}
