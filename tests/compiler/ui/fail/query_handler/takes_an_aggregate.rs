use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

#[derive(Default)]
struct Product {
    exists: bool,
}

#[aggregate(id = String)]
impl Product {
    #[apply]
    fn created(&mut self, _: &ProductCreated) {
        self.exists = true;
    }
}

#[query_handler]
fn count(_: CountProducts, product: &Product) -> u32 {
    u32::from(product.exists)
}

fn main() {}
