//! Methods beside the folds: helpers that take references, and those that take an event on purpose.

use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
    tags: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct Product {
    id: String,
    tags: Vec<String>,
}

/// Not an event, and no name for its lifetime.
struct Tags<'t>(&'t [String]);

#[aggregate(id = String, storage = "state")]
impl Product {
    const LIMIT: usize = 8;

    #[apply]
    fn created(&mut self, event: &ProductCreated, id: &String) {
        self.id.clone_from(id);
        self.add(&event.tags, &true);
        self.set(&Tags(&event.tags));
        self.describe(event);
        self.merge(&Self::default());
        self.name(&"name");
        self.count(&event.tags[..], 1);
    }

    fn add(&mut self, tags: &[String], all: &bool) {
        if *all {
            self.tags.extend_from_slice(tags);
        }
    }

    fn set<'t>(&mut self, tags: &'t Tags<'t>) {
        self.tags = tags.0.to_vec();
    }

    fn merge(&mut self, other: &Self) {
        self.tags.extend_from_slice(&other.tags);
    }

    fn name(&mut self, name: &dyn ToString) {
        self.id = name.to_string();
    }

    fn count<T>(&mut self, tags: &[T], by: usize) -> usize {
        (tags.len() + by).min(Self::LIMIT)
    }

    /// It reads the event only.
    fn is_of(&self, event: &ProductCreated) -> bool {
        self.id == event.product_id
    }
}

impl Product {
    /// It takes an event and is no fold: it is in another block.
    fn describe(&mut self, event: &ProductCreated) {
        assert!(!self.is_of(event) || !event.product_id.is_empty());
    }
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView {
    #[key]
    id: String,
}

struct ProductList;

#[projection(name = "products", version = 1)]
impl ProductList {
    #[on]
    fn created(event: &ProductCreated, views: &mut Views<ProductView>) -> Result<()> {
        views.put(Self::view(event));
        Self::touch(&event.product_id, views)
    }

    fn view(event: &ProductCreated) -> ProductView {
        ProductView { id: event.product_id.clone() }
    }

    fn touch(id: &String, views: &mut Views<ProductView>) -> Result<()> {
        views.update(id, |_| {}).map(drop)
    }
}

fn main() {
    let created = ProductCreated { product_id: "P1".into(), tags: vec!["a".into()] };
    cqrs_core::testing::projection::<ProductList>()
        .given(created)
        .then_views([ProductView { id: "P1".into() }]);
}
