use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(permision = "catalog:write")]
struct CreateProduct {
    name: String,
}

fn main() {}
