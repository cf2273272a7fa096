use cqrs_core::prelude::*;

#[derive(Event)]
enum Restocked {}

fn main() {}
