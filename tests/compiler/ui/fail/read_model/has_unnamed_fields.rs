use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView(#[key] String);

fn main() {}
