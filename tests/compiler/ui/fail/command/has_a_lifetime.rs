use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct<'a> {
    name: &'a str,
}

fn main() {}
