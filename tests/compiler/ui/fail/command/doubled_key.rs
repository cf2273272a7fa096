use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(permission = "catalog:write", permission = "catalog:admin")]
struct CreateProduct {
    name: String,
}

fn main() {}
