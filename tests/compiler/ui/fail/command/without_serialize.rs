use cqrs_core::prelude::*;

#[derive(Command, Clone, Deserialize)]
struct CreateProduct {
    name: String,
}

fn main() {}
