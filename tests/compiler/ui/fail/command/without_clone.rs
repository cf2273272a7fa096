use cqrs_core::prelude::*;

#[derive(Command, Serialize, Deserialize)]
struct CreateProduct {
    name: String,
}

fn main() {}
