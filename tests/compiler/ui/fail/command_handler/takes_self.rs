use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

struct Handlers;

impl Handlers {
    #[command_handler]
    fn create(&self, _: CreateProduct) {}
}

fn main() {}
