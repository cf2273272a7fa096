use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

trait Mailer: Send + Sync {}

#[command_handler]
fn create(_: CreateProduct, _: impl Mailer) {}

fn main() {}
