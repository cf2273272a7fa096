use cqrs_core::prelude::*;

struct ProductCreated {
    product_id: String,
}

#[derive(Default)]
struct Product {
    exists: bool,
}

#[aggregate(id = String)]
impl Product {
    #[apply]
    fn created(&mut self, event: &ProductCreated) {
        self.exists = !event.product_id.is_empty();
    }
}

fn main() {}
