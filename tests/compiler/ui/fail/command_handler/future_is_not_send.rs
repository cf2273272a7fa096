use std::rc::Rc;

use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

#[command_handler]
async fn create(cmd: CreateProduct) {
    let name = Rc::new(cmd.product_id);
    pause().await;
    drop(name);
}

async fn pause() {}

fn main() {}
