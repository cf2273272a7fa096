use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

struct Mailer;

struct Prices;

#[command_handler]
fn create(_: CreateProduct, _: Mailer, _: &Prices) -> u64 {
    1
}

fn main() {}
