use cqrs_core::prelude::*;

#[query_handler]
mod count {}

fn main() {}
