use std::sync::Arc;

use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    product_id: String,
}

trait Mailer: Send + Sync {}

#[command_handler]
fn create(_: CreateProduct, _: &Arc<dyn Mailer>) {}

fn main() {}
