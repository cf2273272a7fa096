use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "category-created", version = 1)]
struct CategoryCreated {
    #[id(Category)]
    category: String,
}

#[derive(Default)]
struct Product {
    exists: bool,
}

#[aggregate(id = String)]
impl Product {
    #[apply]
    fn created(&mut self, _: &CategoryCreated) {
        self.exists = true;
    }
}

fn main() {}
