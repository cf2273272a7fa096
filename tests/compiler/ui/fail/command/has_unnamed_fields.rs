use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct(String);

#[command_handler]
fn create(_: CreateProduct) {}

fn main() {}
