use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

#[derive(Default)]
struct Product<T> {
    details: T,
}

#[aggregate(id = String)]
impl<T: Default> Product<T> {
    #[apply]
    fn created(&mut self, _: &ProductCreated) {
        self.details = T::default();
    }
}

fn main() {}
