use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct<T> {
    name: T,
}

fn main() {}
